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

test("what should be is written at once: new, changed, gone, and following along", async () => {
  const database = await testDatabase();
  try {
    const store = makeReleaseStore(database.db);
    await store.saveRepository({ name: "shop", url: null, defaultBranch: "main", problem: null });
    const row = (deployment: string, number: number, isWanted = true): DesiredRow => {
      const stack = { ...production, deployment };
      const spec = { kind: "worker", state: "paused" } as const;
      const workload = isWanted ? ({ stack, spec, text: "ü" } as unknown as DesiredRow["workload"]) : null;
      const hosts = ["a", 'b "c"'];
      return { stack, workload, desiredDigest: `${number}`, hosts, snapshot: number, commit, blocked: null };
    };
    const newer = commitSha("b".repeat(40));
    await store.desire(
      production,
      ["a", "b", "c", "d"].map((name) => row(name, 1)),
      { snapshot: 1, commit, exceptions: [] },
    );
    const outcome = { digest: "1", state: "failed", reason: "no", url: null, isApplied: false } as const;
    for (const deployment of ["a", "b", "c"]) await store.recordApplied({ ...production, deployment }, outcome);
    const changed = [row("b", 2), row("c", 2, false), row("unknown", 2, false)];
    await store.desire(production, changed, { snapshot: 2, commit: newer, exceptions: ["d"] });
    const rows = await store.deployments(production);
    assert.deepEqual(
      rows.map(({ stack, snapshot, commit, desiredDigest, failedDigest, state, reason, workload, hosts }) => [
        stack.deployment,
        snapshot,
        commit.slice(0, 1),
        desiredDigest,
        failedDigest,
        `${state} ${reason}`,
        workload === null,
        hosts.length,
      ]),
      [
        ["a", 2, "b", "1", "1", "failed no", false, 2],
        ["b", 2, "a", "2", null, "paused ", false, 2],
        ["c", 2, "a", "2", null, "failed no", true, 2],
        ["d", 1, "a", "1", null, "paused ", false, 2],
      ],
    );
    assert.deepEqual(rows[0]?.workload, row("a", 1).workload);
    assert.deepEqual(rows[0]?.hosts, row("a", 1).hosts);
  } finally {
    await database.close();
  }
});
