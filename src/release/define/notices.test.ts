import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../../test/support/workloads.ts";
import { define } from "./definition.ts";
import { makeNotices, settingsNotices } from "./notices.ts";

test("what waybill.yaml asks for in vain is said", () => {
  const freeze = [{ cron: "0 17 * * FRI", durationSeconds: 3600, timezone: "UTC" }];
  const environments = {
    production: { branch: "main", approvals: 1, freeze },
    demo: { promoteFrom: "production", keepRevisions: 3 },
  };
  const settings = {
    environments,
    previews: { pullRequests: true, expireAfterSeconds: 60, forks: "plan" as const },
  };
  assert.deepEqual(settingsNotices("production", settings), [
    "waybill.yaml: production: approvals are not asked for yet: each push is deployed",
    "waybill.yaml: production: freeze is not kept yet: pushes are deployed at any time",
    "waybill.yaml: previews of pull requests are not made yet",
  ]);
  assert.deepEqual(settingsNotices("demo", { environments }), [
    "waybill.yaml: demo: promotion is by a tag of your own until there is a command for it",
    "waybill.yaml: demo: keepRevisions is not read yet: of each deployment five revisions are kept",
  ]);
  assert.deepEqual(settingsNotices("staging", { environments }), []);
});

test("who has paused what is asked for schedules alone, and only where the file has them run", async () => {
  const pause = { by: "anna", reason: "", at: "2026-11-20T12:00:00Z" };
  let asked = 0;
  const notices = makeNotices({
    deployer: { notices: () => [] },
    store: {
      overrides: async () => new Map([["held", { pause, restart: null }]]),
      async schedulePauses() {
        asked += 1;
        return new Map([["report", new Map([["daily", pause]])]]);
      },
    },
    clock: { now: () => new Date("2026-11-21T12:00:00Z") },
  });
  const noticesOf = (name: string, yaml: string): Promise<readonly string[]> => {
    const { spec } = workloadOf(`name: ${name}\ncommand: node main.js\n${yaml}`);
    const definition = define(spec, { source: null, target: "local" }, { file: `deployments/${name}.yaml`, line: 1 });
    const change = { name, kind: spec.kind, action: "create", fields: [], reasons: [] } as const;
    const defined = { definitions: new Map([[name, definition]]), settings: { environments: {} } };
    return notices({ repository: "shop", environment: "production" }, defined, [change]);
  };
  const daily = 'kind: job\nschedules: [{name: daily, cron: "@daily"}]\n';
  assert.deepEqual(await noticesOf("web", "kind: service\n"), []);
  assert.deepEqual(await noticesOf("off", `state: paused\n${daily}`), []);
  assert.equal(asked, 0);
  const paused = "does not run until it is resumed";
  assert.deepEqual(await noticesOf("report", daily), [`report: daily is paused by anna: it ${paused}`]);
  assert.deepEqual(await noticesOf("held", daily), ["held: paused by anna: no schedule runs until it is resumed"]);
  assert.match((await noticesOf("free", daily))[0] ?? "", /^free: daily runs at 2026-11-22T00:00:00Z/);
});
