import { stackKey } from "../../../core/stack.ts";
import type { Capacity, Pod } from "../capacity/capacity.ts";
import { withUse } from "../capacity/quota.ts";
import type { RolloutPlan, RolloutQuestion } from "../capacity/rollout-plan.ts";
import { missingOf, revisionOfPod, type Outline } from "./outline.ts";

/**
 * What to ask about a new revision. Its pods that run already stay where they are; those that wait for a place are
 * asked about with the ones still to come. `claims` are revisions under way, whose pods may not be there yet.
 */
export function questionOf(capacity: Capacity, outline: Outline, claims: readonly Outline[]): RolloutQuestion {
  const owner = stackKey(outline.stack);
  const own = capacity.pods.filter((pod) => pod.owner === owner);
  const current = own.filter((pod) => revisionOfPod(pod) === outline.revision && pod.node !== null);
  const others = capacity.pods.filter((pod) => pod.owner !== owner);
  const coming = claims.flatMap((claim) => comingPods(claim, others));
  return {
    capacity: {
      ...capacity,
      pods: [...others, ...current, ...coming],
      quotas: withUse(capacity.quotas, coming),
    },
    own: current.filter(({ leavesAtMs }) => leavesAtMs === undefined),
    old: own.filter((pod) => revisionOfPod(pod) !== outline.revision),
    new: missingOf(outline, current),
    wish: outline.rollout,
  };
}

/** The pods of a revision under way that the cluster does not tell of yet. */
function comingPods(outline: Outline, pods: readonly Pod[]): readonly Pod[] {
  const owner = stackKey(outline.stack);
  const there = pods.filter((pod) => pod.owner === owner);
  return missingOf(outline, there).map((shape, index) => ({
    ...shape,
    name: `${outline.stack.deployment}-${index}`,
    owner,
    node: null,
    isFixed: false,
  }));
}

/** The same once they have gone that were told to stop, but for those that should have long since. */
export function withoutLeaving(question: RolloutQuestion, nowMs: number): RolloutQuestion {
  const stays = ({ leavesAtMs }: Pod): boolean => leavesAtMs === undefined || leavesAtMs + lateMs < nowMs;
  const { capacity, old } = question;
  return { ...question, capacity: { ...capacity, pods: capacity.pods.filter(stays) }, old: old.filter(stays) };
}

const lateMs = 60_000;

/** What a plan of changes says about it. */
export function noticesOf(plan: RolloutPlan): readonly string[] {
  switch (plan.kind) {
    case "surge":
      return [];
    case "handover":
      return [plan.notice];
    case "wait":
      return [`it will wait for room: ${plan.reason}`];
    case "impossible":
      return [`it cannot run: ${plan.reason}`];
    default:
      return plan satisfies never;
  }
}
