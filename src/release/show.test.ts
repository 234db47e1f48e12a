import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../test/support/workloads.ts";
import type { CommitSha } from "../core/names.ts";
import { deploymentView } from "./show.ts";
import type { DeploymentRow } from "./store.ts";
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
