import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnose, type Facts } from "./diagnosis.ts";
import type { ContainerStatus, EventObject, PodObject } from "./pods.ts";

const meta = (name: string) => ({ name, namespace: "shop--production", uid: `uid-${name}` });
const deployment = (replicas: number, readyReplicas: number, conditions = {}) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: meta("web-1"),
  spec: { replicas },
  status: { readyReplicas, ...conditions },
});
const pod = (status: PodObject["status"]): PodObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: meta("pod"),
  spec: { containers: [{ name: "web", image: "shop/web:1", resources: { limits: { memory: "1Gi" } } }] },
  ...(status && { status }),
});
const running = (more: Partial<ContainerStatus>): PodObject =>
  pod({ phase: "Running", containerStatuses: [{ name: "web", restartCount: 0, ready: false, ...more }] });
const warning = (reason: string, message: string): EventObject => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: meta("event"),
  reason,
  message,
  involvedObject: { kind: "Pod", name: "pod", uid: "uid-pod" },
});
const of = (found: PodObject, events: readonly EventObject[] = [], replicas: Partial<Facts> = {}) =>
  diagnose({ kind: "service", deployment: deployment(1, 0), pods: [found], events, ...replicas });
const reasonOf = (...args: Parameters<typeof of>): string => of(...args).reason;
const ended = (exitCode: number, more = {}) => ({
  state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s" } },
  lastState: {
    terminated: { exitCode, startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:00:01Z", ...more },
  },
  restartCount: 3,
});

test("ready, partly ready, not asked for", () => {
  const facts = { kind: "service", pods: [], events: [] } as const;
  assert.deepEqual(diagnose({ ...facts, deployment: deployment(2, 2) }), { state: "ready", reason: "" });
  assert.deepEqual(diagnose({ ...facts, deployment: deployment(2, 1) }), {
    state: "ready",
    reason: "1 of 2 replicas answer: the others are starting",
  });
  assert.equal(diagnose({ ...facts, deployment: deployment(0, 0) }).state, "stopped");
  assert.deepEqual(diagnose({ ...facts, deployment: deployment(1, 0) }), { state: "starting", reason: "" });
});

test("a program that ends is described as on one machine", () => {
  assert.deepEqual(of(running(ended(3, { message: "one\nno way\n" }))), {
    state: "degraded",
    reason: "crashed at once with status 3\nlast 2 lines:\n  one\n  no way",
  });
  assert.equal(
    reasonOf(running(ended(0))),
    "exited at once with status 0: a service must keep running. Is this a job?",
  );
  assert.equal(reasonOf(running(ended(127, { message: "" }))), "the command was not found (status 127)");
  assert.equal(reasonOf(running(ended(143))), "killed by SIGTERM at once");
  assert.equal(
    reasonOf(running(ended(137, { reason: "OOMKilled" }))),
    "killed for memory: it used more than its 1Gi; give it a larger size",
  );
  assert.equal(
    reasonOf(running(ended(7, { message: "warming\nwaybill: the start script failed with status 7\n" }))),
    "the start script failed with status 7\nlast line:\n  warming",
  );
});

test("what keeps a pod from starting", () => {
  const waiting = (reason: string, message: string) => running({ state: { waiting: { reason, message } } });
  assert.equal(reasonOf(waiting("ErrImagePull", "not found")), "image shop/web:1 cannot be pulled: not found");
  assert.equal(reasonOf(waiting("ImagePullBackOff", "Back-off pulling image")), "image shop/web:1 cannot be pulled");
  const backOff = 'Back-off pulling image "shop/web:1": ErrImagePull: no such host';
  assert.equal(reasonOf(waiting("ImagePullBackOff", backOff)), "image shop/web:1 cannot be pulled: no such host");
  const failed = warning("Failed", 'Failed to pull image "shop/web:1": no such host');
  const silent = waiting("ImagePullBackOff", 'Back-off pulling image "shop/web:1"');
  assert.equal(
    reasonOf(silent, [failed, warning("Failed", "Error: ImagePullBackOff")]),
    "image shop/web:1 cannot be pulled: no such host",
  );
  assert.equal(reasonOf(waiting("CreateContainerConfigError", 'secret "db" not found')), 'secret "db" does not exist');
  assert.match(
    reasonOf(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
    /^its image runs as root, which pods here may not/,
  );
  const unscheduled = pod({
    phase: "Pending",
    conditions: [
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message:
          "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint. preemption: 0/3",
      },
    ],
  });
  assert.equal(
    reasonOf(unscheduled),
    "no node has room for it: 1 without enough free nvidia.com/gpu, 2 node(s) had untolerated taint",
  );
  assert.equal(
    reasonOf(pod({ phase: "Failed", reason: "Evicted", message: "The node was low on memory." })),
    "evicted: The node was low on memory.",
  );
  const refused = (message: string) =>
    deployment(1, 0, { conditions: [{ type: "ReplicaFailure", status: "True", message }] });
  const quota = 'pods "web-1" is forbidden: exceeded quota: waybill, requested: pods=1, used: pods=2, limited: pods=2';
  assert.equal(
    diagnose({ kind: "service", deployment: refused(quota), pods: [], events: [] }).reason,
    "the environment's quota is used up: requested: pods=1, used: pods=2, limited: pods=2",
  );
  assert.equal(
    diagnose({
      kind: "service",
      deployment: refused('admission webhook "x" denied the request: no'),
      pods: [],
      events: [],
    }).reason,
    'admission refused: admission webhook "x" denied the request: no',
  );
});

test("what a probe was answered", () => {
  const alive = running({ state: { running: {} } });
  const probed = (message: string) => reasonOf(alive, [warning("Unhealthy", message)]);
  assert.equal(
    probed("Readiness probe failed: HTTP probe failed with statuscode: 500"),
    "the health check answers 500",
  );
  assert.match(
    probed("Startup probe failed: dial tcp 10.244.0.5:8000: connect: connection refused"),
    /^nothing listens on port 8000: the program must listen on the port in \$PORT/,
  );
  const killed = running(ended(137, { message: "busy" }));
  assert.match(
    reasonOf(killed, [
      warning("Unhealthy", "Startup probe failed: dial tcp 10.0.0.5:8000: connect: connection refused"),
    ]),
    /^nothing listens on port 8000/,
  );
  assert.match(reasonOf(killed, [warning("Unhealthy", "Readiness probe failed: x")]), /^killed by SIGKILL/);
  assert.equal(
    probed('Readiness probe failed: Get "http://10.0.0.1": context deadline exceeded'),
    "the health check is not answered in time",
  );
});
