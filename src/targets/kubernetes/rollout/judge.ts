import type { Clock } from "../../../core/clock.ts";
import { stackKey } from "../../../core/stack.ts";
import { planRollout, type RolloutPlan, type RolloutQuestion } from "../capacity/rollout-plan.ts";
import type { Survey } from "../capacity/survey.ts";
import type { Handovers } from "./handover.ts";
import type { Line } from "./line.ts";
import type { Outline } from "./outline.ts";
import { questionOf, withoutLeaving } from "./question.ts";

export interface Judge {
  decide(outline: Outline): RolloutPlan;
  question(outline: Outline): RolloutQuestion | null;
  /** Counts the revision's pods as there from now on; answers how to stop. */
  claim(outline: Outline): () => void;
}

interface JudgeParts {
  readonly survey: Pick<Survey, "capacity">;
  readonly line: Pick<Line, "blockedBy" | "others">;
  readonly handovers: Pick<Handovers, "isOut">;
  readonly clock: Pick<Clock, "now">;
}

export const leavingReason = "pods that hold what it wants are stopping";

export function makeJudge({ survey, line, handovers, clock }: JudgeParts): Judge {
  const claims = new Map<string, Outline>();
  function question(outline: Outline): RolloutQuestion | null {
    const capacity = survey.capacity();
    const key = stackKey(outline.stack);
    const others = [...claims].filter(([owner]) => owner !== key).map(([, claim]) => claim);
    return capacity && questionOf(capacity, outline, others);
  }
  return {
    question,
    decide(outline) {
      const asked = question(outline);
      // Where the cluster cannot be looked at, its scheduler decides.
      if (asked === null) return { kind: "surge" };
      const plan = planRollout({ ...asked, waiting: line.others(outline.stack) });
      // No outage for what will be there in a moment; where it has begun, it goes on.
      const mayWait = plan.kind !== "surge" && !handovers.isOut(outline.stack);
      const isComing = mayWait && planRollout(withoutLeaving(asked, clock.now().getTime())).kind === "surge";
      if (isComing) return { kind: "wait", reason: leavingReason };
      if (plan.kind !== "surge" && plan.kind !== "handover") return plan;
      const blocked = line.blockedBy(outline.stack, { takes: asked.new, frees: asked.old });
      return blocked === null ? plan : { kind: "wait", reason: blocked };
    },
    claim(outline) {
      const key = stackKey(outline.stack);
      claims.set(key, outline);
      return () => {
        if (claims.get(key) === outline) claims.delete(key);
      };
    },
  };
}
