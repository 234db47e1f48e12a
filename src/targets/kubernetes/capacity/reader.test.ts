import assert from "node:assert/strict";
import { test } from "node:test";
import { amountsOf, parseQuantity } from "./amounts.ts";
import { limitRangeOf, nodeOf, podOf, quotaOf } from "./reader.ts";

test("quantities as Kubernetes writes them", () => {
  const quantities = {
    "500m": 0.5,
    "1": 1,
    "1.5Gi": 1.5 * 2 ** 30,
    "2e3": 2_000,
    "100k": 1e5,
    "3E": 3e18,
    "12Ei": 12 * 2 ** 60,
  };
  for (const [text, value] of Object.entries(quantities)) assert.equal(parseQuantity(text), value, text);
  assert.equal(parseQuantity("soon"), 0);
  assert.deepEqual(amountsOf({ cpu: "1.1", "requests.cpu": "2", memory: "0.5", "nvidia.com/gpu": "2", cpus: "1" }), {
    cpu: 1_100,
    "requests.cpu": 2_000,
    memory: 1,
    "nvidia.com/gpu": 2,
    cpus: 1,
  });
});

const meta = (more: object = {}) => ({ name: "x", namespace: "ns", ...more });

test("a pod's request is what it needs at its worst moment", () => {
  const container = (cpu: string, more: object = {}) => ({ name: "c", resources: { requests: { cpu } }, ...more });
  const pod = podOf({
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(),
    spec: {
      nodeName: "a",
      initContainers: [container("100m", { restartPolicy: "Always" }), container("3")],
      containers: [container("1"), container("500m")],
      overhead: { cpu: "10m" },
    },
  });
  assert.deepEqual(pod?.requests, { cpu: 3_110, pods: 1 });
  assert.deepEqual([pod?.node, pod?.owner, pod?.isFixed], ["a", "ns/x", false]);
});

test("whose a pod is, and what holds nothing", () => {
  const labels = {
    "app.kubernetes.io/managed-by": "waybill",
    "waybill.dev/repository": "shop",
    "waybill.dev/environment": "production",
    "waybill.dev/deployment": "ranker",
  };
  const of = (metadata: object, phase = "Running") =>
    podOf({ apiVersion: "v1", kind: "Pod", metadata: meta(metadata), status: { phase } });
  assert.equal(of({ labels })?.owner, "shop/production/ranker");
  assert.equal(of({ ownerReferences: [{ kind: "ReplicaSet", name: "web-1", uid: "u" }] })?.owner, "ns/web-1");
  assert.equal(of({ ownerReferences: [{ kind: "DaemonSet", name: "dcgm", uid: "u" }] })?.isFixed, true);
  assert.equal(of({}, "Succeeded"), null);
});

test("where a pod may go", () => {
  const pod = podOf({
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(),
    spec: {
      nodeSelector: { zone: "a" },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: "gpu", operator: "In", values: ["l4", "h100"] }] }],
          },
        },
      },
    },
  });
  assert.deepEqual(pod?.nodeRequirements, [
    { key: "zone", values: ["a"] },
    { key: "gpu", values: ["l4", "h100"] },
  ]);
  assert.equal(pod?.node, null);
});

test("a node counts as ready by its condition, not by the taint that follows it", () => {
  const node = (ready: string) =>
    nodeOf({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "a", labels: { zone: "a" } },
      spec: {
        unschedulable: true,
        taints: [
          { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" },
          { key: "gpu", effect: "NoSchedule" },
        ],
      },
      status: { allocatable: { cpu: "2", "nvidia.com/gpu": "2" }, conditions: [{ type: "Ready", status: ready }] },
    });
  assert.deepEqual(node("True"), {
    name: "a",
    allocatable: { cpu: 2_000, "nvidia.com/gpu": 2 },
    labels: { zone: "a" },
    taints: [{ key: "gpu", effect: "NoSchedule" }],
    isReady: true,
    isUnschedulable: true,
  });
  assert.equal(node("Unknown").isReady, false);
});

test("quotas and limits of a namespace", () => {
  const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: meta() };
  const status = { hard: { "requests.cpu": "2" }, used: { "requests.cpu": "500m" } };
  assert.deepEqual(quotaOf({ ...quota, status }), {
    namespace: "ns",
    name: "x",
    hard: { "requests.cpu": 2_000 },
    used: { "requests.cpu": 500 },
  });
  assert.equal(quotaOf({ ...quota, status, spec: { scopes: ["BestEffort"] } }), null);
  const limits = [
    { type: "Pod", max: { cpu: "9" } },
    { type: "Container", max: { cpu: "4" } },
  ];
  assert.deepEqual(limitRangeOf({ ...quota, kind: "LimitRange", spec: { limits } }).max, { cpu: 4_000 });
});
