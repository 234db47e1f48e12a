import assert from "node:assert/strict";
import { test } from "node:test";
import type { Capacity, Pod } from "../capacity/capacity.ts";
import { shapeOf, type Outline, type OutlinePart } from "./outline.ts";
import { noticesOf, questionOf, withoutLeaving } from "./question.ts";

const gpu = "nvidia.com/gpu";
const part = (more: Partial<OutlinePart> = {}): OutlinePart => ({
  component: null,
  replicas: 2,
  resources: {
    requests: { cpu: "500m", memory: "1Gi", [gpu]: "1" },
    limits: { memory: "1Gi", [gpu]: "1" },
    nodeRequirements: [],
    tolerations: [],
  },
  gpu: { count: 1, type: "h100" },
  ...more,
});
const outline = (more: Partial<Outline> = {}): Outline => ({
  stack: { repository: "shop", environment: "production", deployment: "ranker" },
  namespace: "shop--production",
  revision: "bbbbbbbb",
  parts: [part()],
  rollout: "wait",
  startSeconds: 30,
  ...more,
});
const podOf = (of: Outline, name: string, node: string | null = "a", index = 0): Pod => ({
  ...shapeOf(of, of.parts[index] ?? part()),
  name,
  owner: `shop/production/${of.stack.deployment}`,
  node,
  isFixed: false,
});
const clusterWith = (...pods: readonly Pod[]): Capacity => ({ nodes: [], pods, quotas: [], limitRanges: [] });
const names = (pods: readonly { readonly name?: string }[]): unknown => pods.map(({ name }) => name);

test("a pod's shape has the scheduler's units and people's words", () => {
  assert.deepEqual(shapeOf(outline(), part()), {
    namespace: "shop--production",
    labels: {
      "app.kubernetes.io/managed-by": "waybill",
      "waybill.dev/repository": "shop",
      "waybill.dev/environment": "production",
      "waybill.dev/deployment": "ranker",
      "waybill.dev/revision": "bbbbbbbb",
    },
    requests: { cpu: 500, memory: 2 ** 30, [gpu]: 1, pods: 1 },
    limits: { memory: 2 ** 30, [gpu]: 1 },
    nodeRequirements: [],
    tolerations: [],
    spread: [],
    words: { [gpu]: "GPU of type h100" },
  });
});

test("what runs of the revision stays; what waits for a place is asked about", () => {
  const old = podOf(outline({ revision: "aaaaaaaa" }), "old");
  const there = podOf(outline(), "there");
  const pending = podOf(outline(), "pending", null);
  const question = questionOf(clusterWith(old, there, pending), outline(), []);
  assert.deepEqual(names(question.capacity.pods), ["there"]);
  assert.deepEqual(names(question.own ?? []), ["there"]);
  assert.deepEqual(names(question.old), ["old"]);
  assert.equal(question.new.length, 1);
  assert.equal(question.wish, "wait");
});

test("of components each has its own pods: what is missing of one is not made up for by another's", () => {
  const cpu = { requests: { cpu: "100m" }, limits: {}, nodeRequirements: [], tolerations: [] };
  const whole = outline({
    parts: [part({ component: "ranker", replicas: 1 }), part({ component: "web", resources: cpu, gpu: null })],
  });
  const old = podOf(outline({ revision: "aaaaaaaa" }), "old");
  const [web, extra, pending] = [
    podOf(whole, "web", "a", 1),
    podOf(whole, "extra", "a", 1),
    podOf(whole, "ranker", null, 0),
  ];
  const asked = questionOf(clusterWith(old, web, extra, pending), whole, []);
  assert.deepEqual(names(asked.old), ["old"]);
  assert.deepEqual(
    asked.new.map(({ component, requests }) => [component, requests[gpu]]),
    [["ranker", 1]],
  );
  // Of a revision under way, what the cluster tells of stands for itself, part by part.
  const coming = questionOf(clusterWith(web), outline({ stack: { ...whole.stack, deployment: "other" } }), [whole]);
  assert.deepEqual(names(coming.capacity.pods), ["web", "ranker-0", "ranker-1"]);
  assert.deepEqual(
    coming.capacity.pods.map(({ labels }) => labels["waybill.dev/component"]),
    ["web", "ranker", "web"],
  );
});

test("revisions under way count as if their pods were there", () => {
  const coming = outline({ stack: { ...outline().stack, deployment: "train" }, parts: [part({ replicas: 3 })] });
  const first = podOf(coming, "first", null);
  const question = questionOf(clusterWith(first), outline(), [coming]);
  assert.deepEqual(names(question.capacity.pods), ["first", "train-0", "train-1"]);
  assert.equal(question.new.length, 2);
});

test("what a plan says", () => {
  assert.deepEqual(noticesOf({ kind: "surge" }), []);
  assert.deepEqual(noticesOf({ kind: "handover", notice: "so it is" }), ["so it is"]);
  assert.deepEqual(noticesOf({ kind: "wait", reason: "no room" }), ["it will wait for room: no room"]);
  assert.deepEqual(noticesOf({ kind: "impossible", reason: "no node" }), ["it cannot run: no node"]);
});

test("those that stop are as good as gone, until they are late", () => {
  const old = outline({ revision: "aaaaaaaa" });
  const leaving = { ...podOf(old, "leaving"), leavesAtMs: 100_000 };
  const question = questionOf(clusterWith(podOf(old, "old"), leaving), outline(), []);
  assert.deepEqual(names(withoutLeaving(question, 160_000).old), ["old"]);
  assert.deepEqual(names(withoutLeaving(question, 160_001).old), ["old", "leaving"]);
});
