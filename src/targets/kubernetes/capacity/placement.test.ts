import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { processorTimer } from "../../../../test/support/processor-time.ts";
import type { Amounts, NodeCapacity, Pod, PodShape } from "./capacity.ts";
import { fits, makeRoom } from "./placement.ts";

const shape = (requests: Amounts, more: Partial<PodShape> = {}): PodShape => ({
  namespace: "shop",
  labels: {},
  requests,
  limits: {},
  nodeRequirements: [],
  tolerations: [],
  spread: [],
  words: {},
  ...more,
});
const node = (name: string, allocatable: Amounts, more: Partial<NodeCapacity> = {}): NodeCapacity => ({
  name,
  allocatable,
  labels: { host: name },
  taints: [],
  isReady: true,
  isUnschedulable: false,
  ...more,
});

/** Every order of the pods, every node for each: what the search must agree with, written without its shortcuts. */
function bruteForce(nodes: readonly NodeCapacity[], residents: readonly Pod[], wanted: readonly PodShape[]): boolean {
  const placed = residents.map((pod) => ({ on: pod.node ?? "", pod: pod as PodShape }));
  const canGo = (pod: PodShape, at: NodeCapacity): boolean => {
    const used = (resource: string): number =>
      placed.filter(({ on }) => on === at.name).reduce((sum, each) => sum + (each.pod.requests[resource] ?? 0), 0);
    const hasRoom = Object.entries(pod.requests).every(
      ([resource, amount]) => amount === 0 || used(resource) + amount <= (at.allocatable[resource] ?? 0),
    );
    const accepts = (each: NodeCapacity): boolean =>
      pod.nodeRequirements.every(({ key, values }) => values.some((value) => value === each.labels[key]));
    const isTainted = at.taints.some(({ key }) => !pod.tolerations.some((toleration) => toleration.key === key));
    const isEven = pod.spread.every(({ topologyKey, maxSkew, labels }) => {
      const countOn = (each: NodeCapacity): number =>
        placed.filter(({ on, pod: other }) => on === each.name && other.labels["app"] === labels["app"]).length;
      if (at.labels[topologyKey] === undefined) return false;
      const fewest = Math.min(...nodes.filter(accepts).map(countOn));
      return countOn(at) + (pod.labels["app"] === labels["app"] ? 1 : 0) - fewest <= maxSkew;
    });
    return hasRoom && accepts(at) && !isTainted && isEven;
  };
  const placeAll = (left: readonly PodShape[]): boolean => {
    if (left.length === 0) return true;
    return left.some((pod, index) =>
      nodes.some((at) => {
        if (!canGo(pod, at)) return false;
        placed.push({ on: at.name, pod });
        const isDone = placeAll(left.toSpliced(index, 1));
        placed.pop();
        return isDone;
      }),
    );
  };
  return placeAll(wanted);
}

const arbitraryShape = fc
  .record({
    gpu: fc.nat(2),
    cpu: fc.nat(3),
    type: fc.constantFrom(null, "h100", "l4"),
    tolerates: fc.boolean(),
    app: fc.constantFrom("a", "b"),
    skew: fc.constantFrom(0, 0, 0, 1, 2),
  })
  .map(({ gpu, cpu, type, tolerates, app, skew }) => {
    // Pods of one app are of one shape, as those of a Deployment are: the order among them says nothing.
    const labels = { app: `${app}-${gpu}-${cpu}-${type}-${tolerates}-${skew}` };
    return shape(
      { gpu, cpu },
      {
        labels,
        nodeRequirements: type === null ? [] : [{ key: "gpu", values: [type] }],
        tolerations: tolerates ? [{ key: "gpu", operator: "Exists" }] : [],
        spread: skew === 0 ? [] : [{ topologyKey: "host", maxSkew: skew, labels }],
      },
    );
  });
const arbitraryNode = fc.record({
  gpu: fc.nat(3),
  cpu: fc.nat(6),
  type: fc.constantFrom("h100", "l4"),
  taint: fc.boolean(),
});
const arbitraryCase = fc.record({
  nodes: fc.array(arbitraryNode, { minLength: 1, maxLength: 3 }),
  residents: fc.array(fc.tuple(arbitraryShape, fc.nat(2)), { maxLength: 2 }),
  wanted: fc.array(fc.tuple(arbitraryShape, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 2 }),
});

test("the search finds a placement exactly where there is one", () => {
  let found = 0;
  fc.assert(
    fc.property(arbitraryCase, ({ nodes, residents, wanted }) => {
      const cluster = nodes.map(({ gpu, cpu, type, taint }, index) =>
        node(
          `n${index}`,
          { gpu, cpu },
          {
            labels: { host: `n${index}`, gpu: type },
            taints: taint ? [{ key: "gpu", effect: "NoSchedule" }] : [],
          },
        ),
      );
      const pods = residents.map(([resident, at], index): Pod => ({
        ...resident,
        name: `r${index}`,
        owner: "other",
        node: `n${at % nodes.length}`,
        isFixed: false,
      }));
      const shapes = wanted.flatMap(([each, count]) => Array.from({ length: count }, () => each)).slice(0, 5);
      const expected = bruteForce(cluster, pods, shapes);
      found += expected ? 1 : 0;
      assert.equal(fits(makeRoom(cluster, pods), shapes), expected);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(found > 300, `only ${found} cases had a placement`);
});

test("GPUs are packed where taking the first node would not do", () => {
  const nodes = [node("a", { "nvidia.com/gpu": 3 }), node("b", { "nvidia.com/gpu": 4 })];
  const wanted = [3, 2, 2].map((count) => shape({ "nvidia.com/gpu": count }));
  assert.equal(fits(makeRoom(nodes, []), wanted), true);
  assert.equal(fits(makeRoom(nodes, []), [...wanted, shape({ "nvidia.com/gpu": 1 })]), false);
});

test("a pod that waits for a place comes before those that are asked about", () => {
  const nodes = [node("a", { gpu: 2 })];
  const pending: Pod = { ...shape({ gpu: 1 }), name: "p", owner: "other", node: null, isFixed: false };
  assert.equal(fits(makeRoom(nodes, [pending]), [shape({ gpu: 1 })]), true);
  assert.equal(fits(makeRoom(nodes, [pending]), [shape({ gpu: 2 })]), false);
  // One that finds no place itself keeps none.
  const stuck: Pod = { ...pending, requests: { gpu: 3 } };
  assert.equal(fits(makeRoom(nodes, [stuck]), [shape({ gpu: 2 })]), true);
});

test("a large cluster is decided within the bound", () => {
  const nodes = Array.from({ length: 200 }, (_, index) => node(`n${index}`, { "x/gpu": 8, cpu: 64 }));
  const processorMs = processorTimer();
  const pods = (count: number, gpu: number, cpu: number) =>
    Array.from({ length: count }, () => shape({ "x/gpu": gpu, cpu }));
  assert.equal(fits(makeRoom(nodes, []), pods(400, 4, 8)), true);
  assert.equal(fits(makeRoom(nodes, []), pods(401, 4, 8)), false);
  assert.equal(fits(makeRoom(nodes, []), [...pods(60, 8, 1), ...pods(140, 5, 1), ...pods(140, 3, 1)]), true);
  fits(makeRoom(nodes, []), [...pods(60, 8, 1), ...pods(140, 5, 1), ...pods(141, 3, 1)]);
  assert.ok(processorMs() < 2_000);
});
