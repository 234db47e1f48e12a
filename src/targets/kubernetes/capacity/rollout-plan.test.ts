import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rollout } from "../../../spec/deployment.ts";
import type { Capacity, NodeCapacity, Pod, PodShape } from "./capacity.ts";
import { planRollout } from "./rollout-plan.ts";

const gpu = "nvidia.com/gpu";
const product = "nvidia.com/gpu.product";
const h100 = "NVIDIA-H100-80GB-HBM3";

const shape = (count: number, more: Partial<PodShape> = {}): PodShape => ({
  namespace: "shop-production",
  labels: {},
  requests: { [gpu]: count, cpu: 500, pods: 1 },
  limits: { [gpu]: count },
  nodeRequirements: [{ key: product, values: [h100] }],
  tolerations: [],
  spread: [],
  words: { [gpu]: "GPU of type h100" },
  ...more,
});
const pod = (count: number, owner: string, more: Partial<Pod> = {}): Pod => ({
  ...shape(count),
  name: owner,
  owner,
  node: "a",
  isFixed: false,
  ...more,
});
const node = (name: string, count: number, more: Partial<NodeCapacity> = {}): NodeCapacity => ({
  name,
  allocatable: { [gpu]: count, cpu: 8_000, memory: 2 ** 35, pods: 110 },
  labels: { [product]: h100 },
  taints: [],
  isReady: true,
  isUnschedulable: false,
  ...more,
});
const cluster = (pods: readonly Pod[] = [], more: Partial<Capacity> = {}): Capacity => ({
  nodes: [node("a", 2)],
  pods,
  quotas: [],
  limitRanges: [],
  ...more,
});

const own = (count: number): Pod => pod(count, "shop/production/ranker");
const other = (count: number, name = "train"): Pod => pod(count, `shop/production/${name}`);
const comesBack = "the old revision stops before the new one starts, and comes back if that fails";
const gone = (count: number, wish: Rollout | null, old: readonly Pod[], others: readonly Pod[] = []) =>
  planRollout({ capacity: cluster(others), old, new: [shape(count)], wish });

test("with room for both, the new one starts beside the old", () => {
  for (const wish of [null, "surge", "wait"] as const) assert.deepEqual(gone(1, wish, [own(1)]), { kind: "surge" });
  for (const wish of [null, "surge", "wait", "handover"] as const) {
    assert.deepEqual(gone(2, wish, []), { kind: "surge" }, "there is nothing to hand over from");
  }
  assert.deepEqual(gone(1, "handover", [own(1)]), { kind: "handover", notice: `rollout: handover: ${comesBack}` });
});

test("without room for both, the old one hands over, with a notice", () => {
  assert.deepEqual(gone(2, null, [own(1)]), {
    kind: "handover",
    notice:
      "there is no room for both revisions: no node has 2 free GPUs of type h100 " +
      `(1 of 2 in use by shop/production/ranker); ${comesBack}`,
  });
  assert.deepEqual(gone(1, null, [own(1)], [other(1)]).kind, "handover");
});

test("it waits where others hold what it wants, and says who", () => {
  assert.deepEqual(gone(2, null, [own(1)], [other(1)]), {
    kind: "wait",
    reason: "no node has 2 free GPUs of type h100 (1 of 2 in use by shop/production/train)",
  });
  assert.deepEqual(gone(1, null, [], [other(1), other(1, "embed")]), {
    kind: "wait",
    reason: "no node has a free GPU of type h100 (2 of 2 in use by shop/production/embed, shop/production/train)",
  });
});

test("surge is for both at once or not at all", () => {
  assert.deepEqual(gone(1, "surge", [own(1)], [other(1)]), {
    kind: "wait",
    reason: "no node has a free GPU of type h100 (2 of 2 in use by shop/production/ranker, shop/production/train)",
  });
  assert.deepEqual(gone(2, "surge", [own(1)]), {
    kind: "impossible",
    reason:
      "rollout: surge wants room for both revisions, which the cluster never has: no node has 2 free GPUs of type h100 " +
      "(1 of 2 in use by shop/production/ranker). Use rollout: handover",
  });
});

test("whoever waits never waits for its own old revision", () => {
  assert.equal(gone(1, "wait", [own(1)], [other(1)]).kind, "wait");
  assert.deepEqual(gone(2, "wait", [own(1)]), {
    kind: "handover",
    notice:
      "there is no room for both revisions: no node has 2 free GPUs of type h100 " +
      `(1 of 2 in use by shop/production/ranker); room for both would never come, so ${comesBack}`,
  });
  assert.equal(gone(2, "wait", [own(1)], [other(1)]).kind, "wait", "for the other, and then it takes over");
});

test("of two that wait for each other's old revision, one takes over its own", () => {
  const question = { capacity: cluster([other(1)]), old: [own(1)], new: [shape(1)], wish: "wait" as const };
  assert.equal(planRollout(question).kind, "wait");
  assert.equal(planRollout({ ...question, waiting: new Set(["shop/production/train"]) }).kind, "handover");
});

test("what no cluster state can give is refused with what there is", () => {
  const refusal = (wanted: PodShape, capacity = cluster()): unknown =>
    planRollout({ capacity, old: [own(1)], new: [wanted], wish: null });
  assert.deepEqual(refusal(shape(3)), {
    kind: "impossible",
    reason: "no node has 3 GPUs of type h100: the largest has 2 GPUs of type h100",
  });
  const l4 = { nodeRequirements: [{ key: product, values: ["NVIDIA-L4"] }], words: { [gpu]: "GPU of type l4" } };
  assert.deepEqual(refusal(shape(1, l4)), {
    kind: "impossible",
    reason: `no node has a GPU of type l4 (${product}=NVIDIA-L4): ${product} is ${h100}`,
  });
  const slice = { requests: { "nvidia.com/mig-1g.10gb": 1 }, words: { "nvidia.com/mig-1g.10gb": "GPU slice 1g.10gb" } };
  assert.deepEqual(refusal(shape(1, slice)), {
    kind: "impossible",
    reason: "no node has a GPU slice 1g.10gb: the cluster has 2 nvidia.com/gpu",
  });
  const tainted = cluster([], { nodes: [node("a", 2, { taints: [{ key: "gpu", effect: "NoSchedule" }] })] });
  assert.deepEqual(refusal(shape(1), tainted), {
    kind: "impossible",
    reason: "the one node that it could go to has a taint that it does not tolerate (a: gpu:NoSchedule)",
  });
});

test("a node that is away is waited for", () => {
  const away = cluster([], { nodes: [node("a", 2, { isReady: false })] });
  assert.deepEqual(planRollout({ capacity: away, old: [], new: [shape(1)], wish: null }), {
    kind: "wait",
    reason: "the one node that it could go to is not ready (a)",
  });
});

test("several pods on several nodes", () => {
  const capacity = cluster([other(1)], { nodes: [node("a", 2), node("b", 4)] });
  const wanted = (count: number) => Array.from({ length: count }, () => shape(2));
  const answer = (count: number) => planRollout({ capacity, old: [], new: wanted(count), wish: null });
  assert.deepEqual(answer(2), { kind: "surge" });
  assert.deepEqual(answer(3), {
    kind: "wait",
    reason:
      "room for 2 of 3 pods: no node has 2 free GPUs of type h100 (5 of 6 in use by its other pods, shop/production/train)",
  });
  assert.equal(answer(4).kind, "impossible");
});

test("daemons never make room", () => {
  const fixed = cluster([pod(1, "gpu-operator/burn-in", { isFixed: true })]);
  assert.deepEqual(planRollout({ capacity: fixed, old: [], new: [shape(2)], wish: null }), {
    kind: "impossible",
    reason: "no node has 2 free GPUs of type h100 (1 of 2 in use by gpu-operator/burn-in)",
  });
});

test("a namespace's quota counts as the cluster's room does", () => {
  const quota = (used: number, hard = 2) => ({
    namespace: "shop-production",
    name: "team",
    hard: { [`requests.${gpu}`]: hard },
    used: { [`requests.${gpu}`]: used },
  });
  const nodes = [node("a", 8)];
  const answer = (used: number, count: number, old: readonly Pod[]) =>
    planRollout({ capacity: cluster([], { nodes, quotas: [quota(used)] }), old, new: [shape(count)], wish: null });
  assert.deepEqual(answer(1, 1, [own(1)]), { kind: "surge" });
  assert.deepEqual(answer(2, 1, [own(1)]).kind, "handover");
  assert.deepEqual(answer(2, 1, []), {
    kind: "wait",
    reason: `quota shop-production/team leaves too little requests.${gpu}: 2 of 2 in use, 1 more wanted`,
  });
  assert.equal(answer(0, 3, []).kind, "impossible");
  const limitRanges = [{ namespace: "shop-production", name: "one", max: { cpu: 250 } }];
  assert.deepEqual(planRollout({ capacity: cluster([], { limitRanges }), old: [], new: [shape(1)], wish: null }), {
    kind: "impossible",
    reason: "limit range shop-production/one allows 0.25 cpu for one container, wanted 0.5",
  });
});

test("more replicas than the quota ever has are refused, with those that run already counted", () => {
  const running = [own(0), own(0)];
  const quota = { namespace: "shop-production", name: "team", hard: { pods: 12 }, used: { pods: 2 } };
  const answer = (count: number) =>
    planRollout({
      capacity: cluster(running, { quotas: [quota] }),
      own: running,
      old: [],
      new: Array.from({ length: count }, () => shape(0)),
      wish: null,
    });
  assert.deepEqual(answer(10), { kind: "surge" });
  assert.deepEqual(answer(12), {
    kind: "impossible",
    reason: "quota shop-production/team leaves too little pods: 2 of 12 in use, 12 more wanted",
  });
});

test("CPU and memory run out, too", () => {
  const plain = (requests: PodShape["requests"]): PodShape => shape(0, { requests, limits: {}, nodeRequirements: [] });
  const busy = cluster([other(0)], { nodes: [node("a", 0)] });
  const answer = (requests: PodShape["requests"]) =>
    planRollout({ capacity: busy, old: [], new: [plain(requests)], wish: null });
  assert.deepEqual(answer({ cpu: 8_000, pods: 1 }), {
    kind: "wait",
    reason: "no node has 8 CPU free (0.5 of 8 in use by shop/production/train)",
  });
  assert.deepEqual(answer({ memory: 2 ** 36, pods: 1 }), {
    kind: "impossible",
    reason: "no node has 64Gi of memory: the largest has 32Gi of memory",
  });
});
