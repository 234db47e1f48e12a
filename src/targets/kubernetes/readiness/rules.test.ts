import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../cluster/object.ts";
import type { Judgement } from "./rule.ts";
import { ruleOf } from "./rules.ts";

const nowMs = Date.parse("2026-03-01T12:00:00Z");
const matchLabels = { app: "web" };

const deployment = (status: object, spec: object = {}): KubeObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "shop", generation: 2 },
  spec: { replicas: 2, selector: { matchLabels }, ...spec },
  status: { observedGeneration: 2, ...status },
});

interface PodOptions {
  readonly hash?: string;
  readonly ageSeconds?: number;
}
const pod = (status: object, { hash = "new", ageSeconds = 5 }: PodOptions = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: `web-${hash}`,
    labels: { ...matchLabels, "pod-template-hash": hash },
    creationTimestamp: new Date(nowMs - ageSeconds * 1_000).toISOString(),
  },
  status,
});
const container = (state: object, more: object = {}) => ({
  containerStatuses: [{ name: "main", ready: false, restartCount: 0, state, ...more }],
});

function judged(object: KubeObject, ...related: readonly KubeObject[]): string {
  const judgement = ruleOf(object)?.judge({ object, related, nowMs }) ?? { state: "ready" };
  return told(judgement);
}
const told = (judgement: Judgement): string =>
  judgement.state === "ready" ? "ready" : `${judgement.state}: ${judgement.reasons.join("; ")}`;

test("a deployment is ready when all its pods are of the new template and available", () => {
  const counts = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  assert.equal(judged(deployment(counts)), "ready");
  assert.equal(
    judged(deployment({ ...counts, observedGeneration: 1 })),
    "waiting: its controller has not looked at it yet",
  );
  assert.equal(judged(deployment({ ...counts, updatedReplicas: 1 })), "waiting: 1 of 2 pods are made");
  assert.equal(judged(deployment({ ...counts, replicas: 3 })), "waiting: 1 old pods still have to go");
  assert.equal(judged(deployment({ ...counts, availableReplicas: 1 })), "waiting: 1 of 2 pods are ready");
  assert.equal(judged(deployment({}, { replicas: 0 })), "ready");
  assert.equal(
    judged(deployment({ ...counts, readyReplicas: 2, availableReplicas: 0 }, { minReadySeconds: 10 })),
    "waiting: 2 of 2 pods are ready, and live when they have been for 10 s",
  );
});

test("a deployment that waits says what its pods of the new template say", () => {
  const counts = { replicas: 2, updatedReplicas: 2, availableReplicas: 0 };
  const unscheduled = pod({
    phase: "Pending",
    conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available: 1 Insufficient gpu." }],
  });
  assert.equal(
    judged(deployment(counts), unscheduled),
    "waiting: 0 of 2 pods are ready; pod web-new is not scheduled: 0/1 nodes are available: 1 Insufficient gpu.",
  );
  const old = pod(container({ waiting: { reason: "InvalidImageName" } }), { hash: "old", ageSeconds: 60 });
  const fresh = pod(container({ running: {} }));
  assert.equal(
    judged(deployment(counts), old, fresh),
    "waiting: 0 of 2 pods are ready; container main runs and is not ready",
  );
});

test("a deployment fails as soon as its pods cannot recover", () => {
  const counts = { replicas: 2, updatedReplicas: 2, availableReplicas: 0 };
  const crashed = container(
    { waiting: { reason: "CrashLoopBackOff" } },
    { restartCount: 2, lastState: { terminated: { exitCode: 3, message: "no such table" } } },
  );
  assert.equal(
    judged(deployment(counts), pod(crashed)),
    "failed: container main exited with status 3: no such table, 3 times",
  );
  const unpulled = container({ waiting: { reason: "ImagePullBackOff", message: "not found" } });
  assert.match(
    judged(deployment(counts), pod(unpulled, { ageSeconds: 5 })),
    /^waiting: .*ImagePullBackOff: not found$/,
  );
  assert.equal(
    judged(deployment(counts), pod(unpulled, { ageSeconds: 21 })),
    "failed: container main: ImagePullBackOff: not found",
  );
  const late = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "timed out" };
  assert.equal(judged(deployment({ ...counts, conditions: [late] })), "failed: timed out");
});

test("pods that are refused, as by a quota, are told of", () => {
  const refused = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "exceeded quota: gpus" };
  assert.equal(judged(deployment({ conditions: [refused] })), "waiting: pods are refused: exceeded quota: gpus");
});

test("a service is ready when a pod that it selects now is", () => {
  const service: KubeObject = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "shop" },
    spec: { type: "ClusterIP", selector: { "pod-template-hash": "new" } },
  };
  const slice = (name: string, isReady: boolean): KubeObject => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    endpoints: [{ conditions: { ready: isReady }, targetRef: { kind: "Pod", name } }],
  });
  const [fresh, old] = [pod({}), pod({}, { hash: "old" })];
  assert.equal(judged(service), "waiting: its selector finds no pod");
  assert.equal(judged(service, old, fresh, slice("web-old", true)), "waiting: none of 1 pods is ready");
  assert.equal(judged(service, old, fresh, slice("web-new", false)), "waiting: none of 1 pods is ready");
  assert.equal(judged(service, old, fresh, slice("web-new", true)), "ready");
  assert.equal(judged({ ...service, spec: { type: "ExternalName", externalName: "example.org" } }), "ready");
  const balanced = { ...service, spec: { type: "LoadBalancer" } };
  assert.equal(judged(balanced), "waiting: no load balancer has given it an address");
  assert.equal(judged({ ...balanced, status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } } }), "ready");
});

test("a claim is ready when it is bound, or will be by its first pod", () => {
  const claim = (status: object, storageClassName?: string): KubeObject => ({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data", namespace: "shop" },
    spec: { ...(storageClassName !== undefined && { storageClassName }) },
    status,
  });
  const storageClass: KubeObject = {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "fast" },
    volumeBindingMode: "WaitForFirstConsumer",
  };
  assert.equal(judged(claim({ phase: "Bound" })), "ready");
  assert.equal(judged(claim({ phase: "Pending" }, "fast"), storageClass), "ready");
  assert.equal(judged(claim({ phase: "Pending" }, "slow"), storageClass), 'waiting: there is no storage class "slow"');
  assert.match(judged(claim({ phase: "Pending" })), /names no storage class/);
  assert.equal(judged(claim({ phase: "Lost" })), "failed: its volume is lost");
});

test("jobs, pods and the others", () => {
  const job = (condition: object, spec: object = {}): KubeObject => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "train" },
    spec,
    status: { conditions: [condition] },
  });
  assert.equal(judged(job({ type: "Complete", status: "True" })), "ready");
  assert.equal(judged(job({}, { suspend: true })), "ready");
  assert.equal(judged(job({ type: "Failed", status: "True", message: "backoff limit" })), "failed: backoff limit");
  assert.equal(judged(pod({ phase: "Succeeded" })), "ready");
  assert.equal(judged(pod({ phase: "Running", conditions: [{ type: "Ready", status: "True" }] })), "ready");
  assert.equal(
    judged(pod({ phase: "Failed", reason: "Evicted", message: "low memory" })),
    "failed: pod web-new: Evicted: low memory",
  );
  assert.equal(judged({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" } }), "ready");
});

test("a program has its start timeout once, not once for each time the kubelet starts it", () => {
  const counts = { replicas: 2, updatedReplicas: 2, availableReplicas: 0 };
  const spec = { containers: [{ name: "main", startupProbe: { periodSeconds: 1, failureThreshold: 30 } }] };
  const startedAgo = (seconds: number): string => new Date(nowMs - seconds * 1_000).toISOString();
  const starting = (state: object, more: object = {}) => ({
    ...pod(container(state, { started: false, ...more })),
    spec,
  });
  const judge = (object: KubeObject) =>
    ruleOf(deployment(counts))?.judge({ object: deployment(counts), related: [object], nowMs });
  assert.deepEqual(judge(starting({ running: { startedAt: startedAgo(10) } })), {
    state: "waiting",
    reasons: ["0 of 2 pods are ready", "container main runs and is not ready"],
    againInMs: 21_500,
  });
  const late = "failed: container main did not answer within 30 s of its start";
  assert.ok(
    judged(deployment(counts), starting({ running: { startedAt: startedAgo(32) } })).includes(
      "did not answer within 30 s",
    ),
  );
  const ended = { exitCode: 137, startedAt: startedAgo(60), finishedAt: startedAgo(29) };
  assert.equal(
    judged(deployment(counts), starting({ waiting: { reason: "Starting" } }, { lastState: { terminated: ended } })),
    late,
  );
});
