import type { Rollout } from "../../../spec/deployment.ts";
import type { Capacity, Pod, PodShape } from "./capacity.ts";
import { fits, makeRoom } from "./placement.ts";
import { quotaShortage, usedOnlyBy, withoutUse } from "./quota.ts";
import { shortageOf } from "./shortage.ts";

/** What a new revision is to do, decided from what the cluster has. */
export type RolloutPlan =
  /** There is room beside the old revision. */
  | { readonly kind: "surge" }
  /** The old revision stops first. `notice` says why, in the user's words. */
  | { readonly kind: "handover"; readonly notice: string }
  /** There will be room once others leave. */
  | { readonly kind: "wait"; readonly reason: string }
  /** There is none, whoever leaves. */
  | { readonly kind: "impossible"; readonly reason: string };

export interface RolloutQuestion {
  /** Without the pods of the deployment itself, but for those of `own`. */
  readonly capacity: Capacity;
  /** The pods of this very revision that run: they stay where they are, whoever leaves. */
  readonly own?: readonly Pod[];
  /** The pods of its revisions that run. */
  readonly old: readonly Pod[];
  /** The pods that the new revision brings and that are not there yet. */
  readonly new: readonly PodShape[];
  readonly wish: Rollout | null;
  /** Owners of pods who wait for room themselves: to wait for them would be to wait for each other. */
  readonly waiting?: ReadonlySet<string>;
}

/**
 * Decides by trying placements as the scheduler would. A deployment never waits for what only its own old revision
 * holds: it takes that over, or is told that its wish cannot be met.
 */
export function planRollout(question: RolloutQuestion): RolloutPlan {
  const { capacity, own = [], old, new: wanted, wish, waiting } = question;
  const beside = { ...capacity, pods: [...capacity.pods, ...old] };
  const instead = { ...capacity, quotas: withoutUse(capacity.quotas, old) };
  const isBesideOnly = wish === "surge" || old.length === 0;
  if ((isBesideOnly || wish !== "handover") && hasRoom(beside, wanted)) return { kind: "surge" };
  const besideLater = afterOthers(capacity, [...own, ...old]);
  const stuck = capacity.pods.filter(({ owner }) => waiting?.has(owner));
  const isWorthWaiting = wish === "wait" && hasRoom(afterOthers(capacity, [...own, ...old, ...stuck]), wanted);
  if (isWorthWaiting) return { kind: "wait", reason: reasonOf(beside, wanted) };
  if (!isBesideOnly && hasRoom(instead, wanted)) return { kind: "handover", notice: handoverNotice(question, beside) };
  const later = isBesideOnly ? besideLater : afterOthers(capacity, own);
  if (hasRoom(later, wanted)) return { kind: "wait", reason: reasonOf(isBesideOnly ? beside : instead, wanted) };
  return { kind: "impossible", reason: impossibleReason(question, later) };
}

function hasRoom(capacity: Capacity, shapes: readonly PodShape[]): boolean {
  return quotaShortage(capacity, shapes) === null && fits(makeRoom(capacity.nodes, capacity.pods), shapes);
}

/** The cluster as it will be when all others have left and every node is back. */
function afterOthers({ nodes, pods, quotas, limitRanges }: Capacity, staying: readonly Pod[]): Capacity {
  return {
    nodes: nodes.map((node) => ({ ...node, isReady: true, isUnschedulable: false })),
    pods: [...pods.filter(({ isFixed }) => isFixed), ...staying],
    quotas: usedOnlyBy(quotas, staying),
    limitRanges,
  };
}

// Each pod finds a place when it comes alone, and not all do together.
const fragmented = "what is free does not take all pods together";

const reasonOf = (capacity: Capacity, shapes: readonly PodShape[]): string =>
  shortageOf(capacity, shapes) ?? fragmented;

function handoverNotice({ new: wanted, wish }: RolloutQuestion, beside: Capacity): string {
  const consequence = "the old revision stops before the new one starts, and comes back if that fails";
  if (wish === "handover") return `rollout: handover: ${consequence}`;
  const hopeless = wish === "wait" ? "room for both would never come, so " : "";
  return `there is no room for both revisions: ${reasonOf(beside, wanted)}; ${hopeless}${consequence}`;
}

function impossibleReason({ capacity, own = [], old, new: wanted, wish }: RolloutQuestion, later: Capacity): string {
  const reason = reasonOf(later, wanted);
  const takesBoth = wish === "surge" && old.length > 0 && hasRoom(afterOthers(capacity, own), wanted);
  if (!takesBoth) return reason;
  return `rollout: surge wants room for both revisions, which the cluster never has: ${reason}. Use rollout: handover`;
}
