import { ofComponent } from "../components.ts";
import type { Capacity, NodeCapacity, PodShape } from "./capacity.ts";
import { quantityText } from "./amounts.ts";
import { isMeant, makeRoom, placeEach, refusingTaints, type Resident, type Slot } from "./placement.ts";
import { quotaShortage } from "./quota.ts";

/**
 * Why the shapes find no place, in the user's words: "no node has a free GPU of type h100 (2 of 2 in use by
 * shop/production/ranker)". Null when nothing stands against them.
 */
export function shortageOf(capacity: Capacity, shapes: readonly PodShape[]): string | null {
  const overQuota = quotaShortage(capacity, shapes);
  if (overQuota !== null) return overQuota;
  const { nodes, pods } = capacity;
  const room = makeRoom(nodes, pods);
  const left = placeEach(room, shapes, "its other pods");
  const [first] = left;
  if (!first) return null;
  const reason = ofComponent(first.component ?? null, nodeShortage(nodes, first) ?? resourceShortage(room, first));
  const placed = shapes.length - left.length;
  return placed === 0 ? reason : `room for ${placed} of ${shapes.length} pods: ${reason}`;
}

/** Of nodes at all, whoever is on them. */
function nodeShortage(nodes: readonly NodeCapacity[], shape: PodShape): string | null {
  if (nodes.length === 0) return "the cluster has no nodes";
  const device = deviceOf(shape);
  const counting = device === null ? nodes : nodes.filter(({ allocatable }) => (allocatable[device] ?? 0) > 0);
  if (device !== null && counting.length === 0) return `${noNodeHas(shape, device)}: ${devicesOf(nodes)}`;
  const meant = counting.filter((node) => isMeant(node, shape));
  if (meant.length === 0) {
    const wanted = shape.nodeRequirements.map(({ key, values }) => `${key}=${values.join("|")}`).join(", ");
    const has = shape.nodeRequirements.map(({ key }) => labelsOf(counting, key)).join("; ");
    return device === null ? `no node carries ${wanted}: ${has}` : `${noNodeHas(shape, device)} (${wanted}): ${has}`;
  }
  const closed = meant.flatMap((node) => whyClosed(node, shape) ?? []);
  if (closed.length < meant.length) return null;
  const [reason = ""] = closed;
  return meant.length === 1
    ? `the one node that it could go to ${reason}`
    : `none of the ${meant.length} nodes that it could go to takes it: one ${reason}`;
}

function whyClosed(node: NodeCapacity, shape: PodShape): string | null {
  if (!node.isReady) return `is not ready (${node.name})`;
  if (node.isUnschedulable) return `is cordoned (${node.name})`;
  const [taint] = refusingTaints(node, shape);
  if (!taint) return null;
  const value = taint.value ? `=${taint.value}` : "";
  return `has a taint that it does not tolerate (${node.name}: ${taint.key}${value}:${taint.effect})`;
}

/** Of what there is on the nodes that it may go to. */
function resourceShortage(room: readonly Slot[], shape: PodShape): string {
  const meant = room.filter(({ node }) => isMeant(node, shape) && whyClosed(node, shape) === null);
  const resource = scarceFirst(shape).find(
    (each) => !meant.some(({ free }) => (free[each] ?? 0) >= amount(shape, each)),
  );
  if (resource === undefined) {
    const all = scarceFirst(shape).filter((each) => each !== "pods");
    return `no node has ${all.map((each) => amountText(shape, each, amount(shape, each))).join(" and ")} free together`;
  }
  const totals = meant.map(({ node }) => node.allocatable[resource] ?? 0);
  const most = Math.max(0, ...totals);
  const wanted = amount(shape, resource);
  if (most < wanted) {
    return `no node has ${amountText(shape, resource, wanted)}: the largest has ${amountText(shape, resource, most)}`;
  }
  const holders = meant.flatMap(({ residents }) => residents).filter(({ pod }) => amount(pod, resource) > 0);
  const used = sum(holders.map(({ pod }) => amount(pod, resource)));
  const by = holders.length === 0 ? "" : ` by ${ownersOf(holders, resource)}`;
  const inUse = `${quantityText(resource, used)} of ${quantityText(resource, sum(totals))} in use${by}`;
  return `no node has ${freeWords(shape, resource, wanted)} (${inUse})`;
}

const amount = ({ requests }: Pick<PodShape, "requests">, resource: string): number => requests[resource] ?? 0;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Devices before memory, CPU and the count of pods. */
function scarceFirst({ requests }: PodShape): readonly string[] {
  const rank = (resource: string): number => (resource.includes("/") ? 0 : resource === "pods" ? 2 : 1);
  return Object.keys(requests)
    .filter((resource) => (requests[resource] ?? 0) > 0)
    .toSorted((a, b) => rank(a) - rank(b));
}

const deviceOf = (shape: PodShape): string | null => scarceFirst(shape).find((each) => each.includes("/")) ?? null;

const maxOwners = 3;

/** The largest holders first. */
function ownersOf(holders: readonly Resident[], resource: string): string {
  const held = new Map<string, number>();
  for (const { pod, owner } of holders) held.set(owner, (held.get(owner) ?? 0) + amount(pod, resource));
  const owners = [...held].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([owner]) => owner);
  const more = owners.length - maxOwners;
  return `${owners.slice(0, maxOwners).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const noNodeHas = (shape: PodShape, device: string): string => `no node has ${aOf(wordOf(shape, device))}`;

/** What devices the cluster has, instead. */
function devicesOf(nodes: readonly NodeCapacity[]): string {
  const totals = new Map<string, number>();
  for (const { allocatable } of nodes) {
    for (const [resource, count] of Object.entries(allocatable)) {
      if (!resource.includes("/") || count === 0) continue;
      totals.set(resource, (totals.get(resource) ?? 0) + count);
    }
  }
  const listed = [...totals].map(([resource, count]) => `${count} ${resource}`).join(", ");
  return listed === "" ? "the cluster has no devices" : `the cluster has ${listed}`;
}

function labelsOf(nodes: readonly NodeCapacity[], key: string): string {
  const values = [...new Set(nodes.map(({ labels }) => labels[key] ?? "none"))];
  return `${key} is ${values.join(", ")}`;
}

const wordOf = ({ words }: Pick<PodShape, "words">, resource: string): string => words[resource] ?? resource;
const aOf = (word: string): string => (word.includes("/") ? word : `a ${word}`);
/** `GPUs of type h100` */
const plural = (word: string): string => word.replace(/^GPU( slice)?/, (head) => `${head}s`);

function freeWords(shape: PodShape, resource: string, wanted: number): string {
  const word = wordOf(shape, resource);
  if (resource.includes("/") && wanted === 1) return `a free ${word}`;
  if (resource.includes("/")) return `${wanted} free ${plural(word)}`;
  if (resource === "pods") return "room for another pod";
  return `${amountText(shape, resource, wanted)} free`;
}

/** `2 GPUs of type h100`, `4Gi of memory`. */
export function amountText(shape: Pick<PodShape, "words">, resource: string, count: number): string {
  if (resource === "cpu") return `${quantityText(resource, count)} CPU`;
  if (resource === "memory") return `${quantityText(resource, count)} of memory`;
  if (resource === "ephemeral-storage") return `${quantityText(resource, count)} of disk`;
  const word = wordOf(shape, resource);
  return `${count} ${count === 1 ? word : plural(word)}`;
}
