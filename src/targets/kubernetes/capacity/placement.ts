import type { Amounts, Labels, NodeCapacity, Pod, PodShape, SpreadRule, Taint } from "./capacity.ts";

// Looks at a node that take about a tenth of a second. What is not placed by then counts as not fitting.
const maxLooks = 100_000;

/** A node with what is free on it, changed in the course of a search. */
export interface Slot {
  readonly node: NodeCapacity;
  readonly free: Record<string, number>;
  readonly residents: Resident[];
}

export interface Resident {
  readonly pod: PodShape;
  readonly owner: string;
}

/** The nodes with what their pods leave free; pods that wait for a place get one first, as they came first. */
export function makeRoom(nodes: readonly NodeCapacity[], pods: readonly Pod[]): readonly Slot[] {
  const room = nodes.map((node): Slot => ({ node, free: { ...node.allocatable }, residents: [] }));
  const byName = new Map(room.map((slot) => [slot.node.name, slot]));
  for (const pod of pods) {
    const slot = pod.node === null ? undefined : byName.get(pod.node);
    if (slot) take(slot, pod, pod.owner);
  }
  for (const pod of pods) if (pod.node === null) placeFirst(room, pod, pod.owner);
  return room;
}

/**
 * Whether all shapes find a place, by the scheduler's filters: resources, node affinity, taints, readiness, topology
 * spread. Exact: every placement is tried until one succeeds, bounded by a number of tries.
 */
export function fits(room: readonly Slot[], shapes: readonly PodShape[]): boolean {
  const wanted = shapes.toSorted((a, b) => weight(b) - weight(a) || compare(keyOf(a), keyOf(b)));
  const keys = wanted.map(keyOf);
  return search({ room, wanted, keys, groups: groupsOf(room, wanted), looks: 0 }, 0);
}

/** Gives each the first place that there is, for `owner`; answers those that find none. */
export function placeEach(room: readonly Slot[], shapes: readonly PodShape[], owner: string): readonly PodShape[] {
  return shapes.filter((shape) => !placeFirst(room, shape, owner));
}

interface Search {
  readonly room: readonly Slot[];
  readonly wanted: readonly PodShape[];
  readonly keys: readonly string[];
  /** Nodes of one group are as good as each other, while the same is free on them. */
  readonly groups: ReadonlyMap<Slot, string>;
  looks: number;
}

function search(state: Search, index: number): boolean {
  const { room, wanted, keys } = state;
  const shape = wanted[index];
  if (!shape) return true;
  const isLastKind = keys[index] === keys.at(-1);
  if (isLastKind && shape.spread.length === 0) return placesFor(room, shape) >= wanted.length - index;
  const seen = new Set<string>();
  for (const slot of room) {
    state.looks += 1;
    if (state.looks > maxLooks) return false;
    if (!admits(room, slot, shape)) continue;
    const sameness = `${state.groups.get(slot) ?? ""} ${JSON.stringify(slot.free)}`;
    if (seen.has(sameness)) continue;
    seen.add(sameness);
    take(slot, shape, "");
    const isDone = search(state, index + 1);
    giveBack(slot, shape);
    if (isDone) return true;
  }
  return false;
}

/** How many pods of one shape there is room for: each node takes what it can, independent of the others. */
function placesFor(room: readonly Slot[], shape: PodShape): number {
  const open = room.filter(({ node }) => isOpenTo(node, shape));
  return open.reduce((sum, { free }) => sum + timesIn(free, shape.requests), 0);
}

function timesIn(free: Amounts, wanted: Amounts): number {
  const times = Object.entries(wanted)
    .filter(([, amount]) => amount > 0)
    .map(([resource, amount]) => Math.floor((free[resource] ?? 0) / amount));
  return Math.max(0, Math.min(...times, Number.MAX_SAFE_INTEGER));
}

function placeFirst(room: readonly Slot[], shape: PodShape, owner: string): boolean {
  const slot = room.find((each) => admits(room, each, shape));
  if (slot) take(slot, shape, owner);
  return slot !== undefined;
}

function take({ free, residents }: Slot, pod: PodShape, owner: string): void {
  for (const [resource, amount] of Object.entries(pod.requests)) free[resource] = (free[resource] ?? 0) - amount;
  residents.push({ pod, owner });
}

function giveBack({ free, residents }: Slot, shape: PodShape): void {
  for (const [resource, amount] of Object.entries(shape.requests)) free[resource] = (free[resource] ?? 0) + amount;
  residents.pop();
}

function admits(room: readonly Slot[], slot: Slot, shape: PodShape): boolean {
  if (!isOpenTo(slot.node, shape) || timesIn(slot.free, shape.requests) === 0) return false;
  return shape.spread.every((rule) => keepsSpread(room, { slot, shape, rule }));
}

const isOpenTo = (node: NodeCapacity, shape: PodShape): boolean =>
  node.isReady && !node.isUnschedulable && isMeant(node, shape) && isTolerated(node, shape);

/** The node carries the labels that the shape asks for. */
export const isMeant = ({ labels }: NodeCapacity, { nodeRequirements }: PodShape): boolean =>
  nodeRequirements.every(({ key, values }) => values.includes(labels[key] ?? "") && labels[key] !== undefined);

export const isTolerated = (node: NodeCapacity, shape: PodShape): boolean => refusingTaints(node, shape).length === 0;

export const refusingTaints = ({ taints }: NodeCapacity, { tolerations }: PodShape): readonly Taint[] =>
  taints.filter(
    (taint) =>
      taint.effect !== "PreferNoSchedule" &&
      !tolerations.some(
        ({ key, operator = "Equal", value = "", effect }) =>
          (effect === undefined || effect === taint.effect) &&
          (key === undefined ? operator === "Exists" : key === taint.key) &&
          (operator === "Exists" || value === (taint.value ?? "")),
      ),
  );

interface SpreadQuestion {
  readonly slot: Slot;
  readonly shape: PodShape;
  readonly rule: SpreadRule;
}

// https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/, with the default policies:
// a domain counts where the pod's node affinity admits one of its nodes, whatever its taints.
function keepsSpread(room: readonly Slot[], { slot, shape, rule }: SpreadQuestion): boolean {
  const { topologyKey, maxSkew, labels } = rule;
  const own = slot.node.labels[topologyKey];
  if (own === undefined) return false;
  const counts = new Map<string, number>();
  for (const { node, residents } of room) {
    const domain = node.labels[topologyKey];
    if (domain === undefined || !isMeant(node, shape)) continue;
    const matching = residents.filter(({ pod }) => pod.namespace === shape.namespace && carries(pod.labels, labels));
    counts.set(domain, (counts.get(domain) ?? 0) + matching.length);
  }
  const self = carries(shape.labels, labels) ? 1 : 0;
  return (counts.get(own) ?? 0) + self - Math.min(...counts.values()) <= maxSkew;
}

const carries = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Devices first: they are what is scarce. */
function weight({ requests, nodeRequirements }: PodShape): number {
  const devices = Object.entries(requests).filter(([resource]) => resource.includes("/"));
  const count = devices.reduce((sum, [, amount]) => sum + amount, 0);
  return count * 1e6 + nodeRequirements.length * 1e5 + Math.min(1e5 - 1, (requests["cpu"] ?? 0) / 10);
}

const keyOf = ({ namespace, labels, requests, nodeRequirements, tolerations, spread }: PodShape): string =>
  JSON.stringify([requests, nodeRequirements, tolerations, spread, spread.length > 0 && [namespace, labels]]);

/** By what they admit of all that is wanted. Where pods are to be spread, no two nodes are alike. */
function groupsOf(room: readonly Slot[], wanted: readonly PodShape[]): ReadonlyMap<Slot, string> {
  const kinds = [...new Map(wanted.map((shape) => [keyOf(shape), shape])).values()];
  const isSpread = kinds.some(({ spread }) => spread.length > 0);
  return new Map(
    room.map((slot) => [
      slot,
      isSpread ? slot.node.name : kinds.map((kind) => (isOpenTo(slot.node, kind) ? "1" : "0")).join(""),
    ]),
  );
}
