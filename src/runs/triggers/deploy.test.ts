import assert from "node:assert/strict";
import { test } from "node:test";
import type { Run } from "../run.ts";
import type { DeployStep } from "../store.ts";
import { deployEnd, deployVerdict } from "./deploy.ts";

const step = (given: Partial<DeployStep>): DeployStep => ({
  stack: { repository: "shop", environment: "production", deployment: "web" },
  phase: "before",
  snapshot: 8,
  digest: "a",
  job: "migrate",
  run: "r1",
  state: "completed",
  reason: "",
  ...given,
});

test("a revision has one run, and another only with a later snapshot after it failed", () => {
  const verdict = (snapshot: number, digest: string, last: DeployStep | null) =>
    deployVerdict({ phase: "before", snapshot, digest }, last);
  assert.equal(verdict(8, "a", null), "run");
  assert.equal(verdict(8, "a", step({})), "done");
  assert.equal(verdict(9, "a", step({})), "done");
  assert.equal(verdict(9, "b", step({})), "run");
  assert.equal(verdict(8, "b", step({})), "run", "a changed secret is another revision of the same snapshot");
  assert.equal(verdict(8, "a", step({ state: "running" })), "follow");
  assert.equal(verdict(8, "a", step({ state: "failed" })), "follow");
  assert.equal(verdict(9, "a", step({ state: "failed" })), "run");
  assert.equal(verdict(9, "b", step({ state: "running" })), "wait", "two migrations never run at once");
  assert.equal(verdict(9, "b", step({ state: "failed" })), "run");
  const after = step({ phase: "after", state: "running" });
  assert.equal(deployVerdict({ phase: "after", snapshot: 9, digest: "b" }, after), "run");
});

test("how it ended is said with its time and its reason", () => {
  const startedAt = new Date("2026-03-04T10:00:00.000Z");
  const run = {
    status: { state: "Failed", reason: "exited with status 4\n  no such column" },
    startedAt,
    endedAt: new Date(startedAt.getTime() + 3_240),
  } as Run;
  assert.deepEqual(deployEnd(run), {
    isCompleted: false,
    text: "Failed after 3.2 s: exited with status 4\n  no such column",
  });
  const dropped = { status: { state: "Cancelled", reason: "skipped" }, startedAt: null, endedAt: null } as Run;
  assert.equal(deployEnd(dropped).text, "Cancelled: skipped");
});
