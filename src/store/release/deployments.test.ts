import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../../../test/support/postgres.ts";
import { commitSha } from "../../core/names.ts";
import type { DesiredRow } from "../../release/store.ts";
import { makeReleaseStore } from "./release-store.ts";

const commit = commitSha("a".repeat(40));
const production = { repository: "shop", environment: "production" };

test("progress is what the full rows say of it, for one environment", async () => {
  const database = await testDatabase();
  try {
    const store = makeReleaseStore(database.db);
    await store.saveRepository({ name: "shop", url: null, defaultBranch: "main", problem: null });
    const base = { snapshot: 1, commit, exceptions: [] };
    const desire = (environment: string, deployment: string, blocked: string | null) => {
      const stack = { repository: "shop", environment, deployment };
      const spec = { kind: "worker", state: "running" } as const;
      // The store keeps a workload as it is: what it runs does not matter here.
      const workload = { stack, spec } as unknown as DesiredRow["workload"];
      const row = { stack, workload, desiredDigest: `${deployment}-1`, hosts: [], snapshot: 1, commit, blocked };
      return store.desire({ repository: "shop", environment }, [row], base);
    };
    await desire("production", "web", null);
    await desire("production", "api", "secret is missing");
    await desire("staging", "web", null);
    const stack = { ...production, deployment: "web" };
    const outcome = { digest: "web-1", state: "ready", reason: "", url: null, isApplied: true } as const;
    assert.equal(await store.recordApplied(stack, outcome), true);

    const rows = await store.deployments(production);
    const expected = rows.map(({ stack, desiredDigest, appliedDigest, failedDigest, state, blocked }) => ({
      stack,
      desiredDigest,
      appliedDigest,
      failedDigest,
      state,
      blocked,
    }));
    assert.deepEqual(await store.progress(production), expected);
    assert.deepEqual(
      expected.map((row) => [row.stack.deployment, row.appliedDigest, row.blocked]),
      [
        ["api", null, "secret is missing"],
        ["web", "web-1", null],
      ],
    );
  } finally {
    await database.close();
  }
});
