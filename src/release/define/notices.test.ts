import assert from "node:assert/strict";
import { test } from "node:test";
import { settingsNotices } from "./notices.ts";

test("what waybill.yaml asks for in vain is said", () => {
  const freeze = [{ cron: "0 17 * * FRI", durationSeconds: 3600, timezone: "UTC" }];
  const environments = { production: { branch: "main", approvals: 1, freeze }, demo: { promoteFrom: "production" } };
  const settings = {
    environments,
    previews: { pullRequests: true, expireAfterSeconds: 60, forks: "plan" as const },
  };
  assert.deepEqual(settingsNotices("production", settings), [
    "waybill.yaml: production: approvals are not asked for yet: each push is deployed",
    "waybill.yaml: production: freeze is not kept yet: pushes are deployed at any time",
    "waybill.yaml: previews of pull requests are not made yet",
  ]);
  assert.equal(settingsNotices("demo", { environments }).length, 1);
  assert.deepEqual(settingsNotices("staging", { environments }), []);
});
