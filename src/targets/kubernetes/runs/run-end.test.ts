import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventObject, PodObject } from "../observe/pods.ts";
import { endingOf, waitOf } from "./run-end.ts";
import type { RunView } from "./run-sight.ts";

type Status = NonNullable<PodObject["status"]>;

const viewOf = (status: Status, changes: Partial<RunView> = {}): RunView => ({
  job: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "run-r-1", uid: "j" } },
  isJobGone: false,
  pod: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "run-r-1-abc", uid: "p" },
    spec: { nodeName: "n1", containers: [{ name: "job", image: "img", resources: { limits: { memory: "64Mi" } } }] },
    status,
  },
  isPodGone: false,
  ...changes,
});

const ended = (exitCode: number, reason = "Error"): Status => ({
  phase: "Running",
  containerStatuses: [
    { name: "job", restartCount: 0, state: { terminated: { exitCode, reason, finishedAt: "2026-01-01T00:00:01Z" } } },
  ],
});
const running: Status = {
  phase: "Running",
  containerStatuses: [{ name: "job", restartCount: 0, state: { running: {} } }],
};

const outcome = (view: RunView, isOverdue = false): unknown => {
  const ending = endingOf(view, isOverdue);
  return ending && [ending.status, ending.signal, ending.cause];
};

test("how a program ended is what its container says", () => {
  assert.deepEqual(outcome(viewOf(ended(0, "Completed"))), [0, null, null]);
  assert.deepEqual(outcome(viewOf(ended(3))), [3, null, null]);
  assert.deepEqual(outcome(viewOf(ended(139))), [null, "SIGSEGV", null]);
  assert.deepEqual(outcome(viewOf(ended(137, "OOMKilled"))), [
    null,
    "SIGKILL",
    "killed for memory: it used more than its 64Mi; give it a larger size",
  ]);
  assert.equal(outcome(viewOf(running)), null);
  assert.equal(outcome(viewOf({ phase: "Pending", containerStatuses: null } as unknown as Status)), null);
});

test("who ended it from outside is named", () => {
  const disrupted = (message: string): Status => ({
    ...ended(143),
    conditions: [{ type: "DisruptionTarget", status: "True", reason: "PreemptionByScheduler", message }],
  });
  assert.deepEqual(outcome(viewOf(disrupted("default-scheduler: preempting"))), [
    null,
    "SIGTERM",
    "ended by the cluster: default-scheduler: preempting",
  ]);
  const evicted: Status = { phase: "Failed", reason: "Evicted", message: "The node was low on resource: memory." };
  assert.deepEqual(outcome(viewOf(evicted)), [null, null, "evicted: The node was low on resource: memory."]);
  assert.deepEqual(outcome(viewOf({ ...ended(137), phase: "Failed", reason: "DeadlineExceeded" })), [
    null,
    "SIGKILL",
    "ended by the cluster: it took longer than its timeout while no server saw it",
  ]);
  assert.match(String(outcome(viewOf(running, { isPodGone: true }))), /its pod was removed from the cluster/);
  assert.match(String(outcome(viewOf(running), true)), /its node n1 is lost: whether its program still runs there/);
  assert.match(String(outcome(viewOf(running, { pod: null, isJobGone: true }))), /its Job was removed/);
  const unfetched: Status = {
    phase: "Failed",
    initContainerStatuses: [
      {
        name: "source",
        restartCount: 0,
        state: { terminated: { exitCode: 1, message: "waybill: the source cannot be fetched: 403 no longer good" } },
      },
    ],
  };
  assert.match(String(outcome(viewOf(unfetched))), /the source cannot be fetched: 403 no longer good/);
});

test("what keeps a program from starting is said", () => {
  const unschedulable: Status = {
    phase: "Pending",
    conditions: [
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message: "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available",
      },
    ],
  };
  assert.deepEqual(waitOf(viewOf(unschedulable), []), {
    reason: "no node has room for it: 1 without enough free nvidia.com/gpu",
    isFinal: false,
  });
  const unpulled: Status = {
    phase: "Pending",
    containerStatuses: [{ name: "job", restartCount: 0, state: { waiting: { reason: "ImagePullBackOff" } } }],
    // That it waits for its end says nothing.
    initContainerStatuses: [{ name: "keeper", restartCount: 1, state: { terminated: { exitCode: 0 } } }],
  };
  assert.deepEqual(waitOf(viewOf(unpulled), []), {
    reason: "image img cannot be pulled",
    isFinal: true,
    isPlacement: true,
  });
  const refused: EventObject = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "e" },
    reason: "FailedCreate",
    message:
      'Error creating: pods "run-r-1-x" is forbidden: exceeded quota: waybill, requested: pods=1, used: pods=4, limited: pods=4',
    involvedObject: { uid: "j" },
  };
  assert.match(
    waitOf(viewOf(running, { pod: null }), [refused])?.reason ?? "",
    /^the environment's quota is used up: /,
  );
  assert.equal(waitOf(viewOf(running, { pod: null }), []), null);
});
