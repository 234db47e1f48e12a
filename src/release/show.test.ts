import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../test/support/workloads.ts";
import type { CommitSha } from "../core/names.ts";
import { deploymentView, snapshotViews } from "./show.ts";
import type { DeploymentRow, SnapshotRow } from "./store.ts";
import type { DriftView } from "./views.ts";

const stack = { repository: "shop", environment: "production", deployment: "web" };
const workload = workloadOf("kind: service\ncommand: ./web\n");
const row: DeploymentRow = {
  stack,
  workload,
  kind: "service",
  desiredDigest: "d",
  appliedDigest: "d",
  appliedWorkload: workload,
  failedDigest: null,
  hosts: ["web"],
  snapshot: 1,
  commit: "1".repeat(40) as CommitSha,
  blocked: null,
  state: "ready",
  reason: "",
  url: "http://web.localhost",
  updatedAt: new Date(0),
};
const gone: DriftView = {
  object: "Service shop--production/web",
  field: null,
  wanted: null,
  found: null,
  by: null,
  at: null,
  note: "",
};
const shown = (drift: DriftView, change: Partial<DeploymentRow> = {}): readonly string[] => {
  const found = [{ repository: "shop", environment: "production", stack: "web", deployment: "web", found: [drift] }];
  const { state, reason } = deploymentView({ ...row, ...change }, null, { drifts: found, jobs: [] });
  return [state, reason];
};

test("a deployment whose Service is gone is not ready, though its pods are", () => {
  assert.deepEqual(shown(gone), ["degraded", "Service shop--production/web is gone: no request reaches its pods"]);
  assert.deepEqual(shown({ ...gone, object: "PodDisruptionBudget shop--production/web" }), ["ready", ""]);
  assert.deepEqual(shown({ ...gone, field: "spec.ports[0].port", found: 1 }), ["ready", ""]);
  assert.deepEqual(shown(gone, { state: "sleeping", reason: "asleep" }), ["sleeping", "asleep"]);
});

function snapshot(number: number, letter: string, more: Partial<SnapshotRow> = {}): SnapshotRow {
  return {
    tag: `waybill/production/${number}`,
    number,
    sha: `${number}`,
    commit: letter.repeat(40) as CommitSha,
    at: new Date(0),
    actor: "ada",
    reason: "",
    reverts: null,
    only: null,
    keeps: [],
    kind: "deploy",
    branch: "main",
    subject: "",
    author: "ada",
    changes: [],
    isDeleted: false,
    ...more,
  };
}
/** The numbers of what going back to would change nothing. */
const live = (rows: readonly SnapshotRow[], only?: string): readonly number[] =>
  snapshotViews(rows, { ...(only !== undefined && { only }) }).flatMap((one) => (one.live ? [one.number] : []));

test("a snapshot is live when going back to it would change nothing, whatever its tag", () => {
  const [one, two] = [snapshot(1, "a"), snapshot(2, "b")];
  assert.deepEqual(live([one, two]), [2]);
  const back = snapshot(3, "a", { kind: "revert", reverts: two.tag });
  assert.deepEqual(live([one, two, back]), [3, 1]);
  assert.deepEqual(live([one, two, snapshot(3, "b", { kind: "hold" })]), [3, 2]);
  assert.deepEqual(live([one, two, { ...back, isDeleted: true }]), [2]);
  assert.deepEqual(live([]), []);
});

test("for one deployment, what it follows is live; for all, that is an exception", () => {
  const rows = [snapshot(1, "a"), snapshot(2, "b"), snapshot(3, "a", { kind: "revert", only: "web" })];
  assert.deepEqual(live(rows), [3]);
  assert.deepEqual(live(rows, "web"), [3, 1]);
  assert.deepEqual(live(rows, "api"), [3, 2]);
});

test("a page of the history begins before a number", () => {
  const rows = [snapshot(1, "a"), snapshot(2, "b"), snapshot(3, "c")];
  const numbers = snapshotViews(rows, { before: 3, limit: 1 }).map(({ number }) => number);
  assert.deepEqual(numbers, [2]);
});
