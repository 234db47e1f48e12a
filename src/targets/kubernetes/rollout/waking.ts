import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey } from "../../../core/stack.ts";
import type { Outcome, Turn } from "../../rollout.ts";
import type { Pod } from "../capacity/capacity.ts";
import type { Survey } from "../capacity/survey.ts";
import type { Judge } from "./judge.ts";
import type { Line } from "./line.ts";
import { missingOf, type Outline } from "./outline.ts";

export interface WakeOptions {
  readonly signal: AbortSignal;
  readonly onWait: (reason: string) => Promise<void>;
}

export interface WakingParts {
  readonly survey: Pick<Survey, "capacity" | "until">;
  /** Resolves once the cluster has been looked at, or once it has been tried long enough. */
  readonly looked: Promise<unknown>;
  readonly judge: Judge;
  readonly line: Line;
  readonly log: Log;
}

/** Looked at again after this, should the cluster not tell of a change. */
export const lookAgainMs = 30_000;

/** Until the answer would be another than to wait for this reason. */
export function standInLine(
  { judge, line }: Pick<WakingParts, "judge" | "line">,
  outline: Outline,
  reason: string,
): void {
  const isOver = (): boolean => {
    const plan = judge.decide(outline);
    return plan.kind !== "wait" || plan.reason !== reason;
  };
  line.join(outline.stack, { shapes: judge.question(outline)?.new ?? [], forMs: 2 * lookAgainMs, isOver });
}

/** What sleeps holds nothing: it takes what is free, and stands in line for it like any other. */
export function makeWaking({ survey, looked, judge, line, log }: WakingParts) {
  const conclude = makeConclusion({ survey, line, log });
  return async (outline: Outline, { signal, onWait }: WakeOptions): Promise<Turn> => {
    const { stack } = outline;
    await looked;
    for (let told = ""; ;) {
      signal.throwIfAborted();
      const plan = judge.decide(outline);
      if (plan.kind === "impossible") throw new WaybillError("ROLLOUT_IMPOSSIBLE", plan.reason);
      if (plan.kind !== "wait") break;
      const { reason } = plan;
      standInLine({ judge, line }, outline, reason);
      if (told !== reason) await onWait(reason);
      told = reason;
      await line.changed(stack, AbortSignal.any([signal, AbortSignal.timeout(lookAgainMs)]));
    }
    const release = judge.claim(outline);
    line.leave(stack);
    return { end: (outcome) => conclude(outline, outcome, release) };
  };
}

/** A claim is good until the pods speak for themselves. */
export function makeConclusion({ survey, line, log }: Pick<WakingParts, "survey" | "line" | "log">) {
  return (outline: Outline, outcome: Outcome, release: () => void): void => {
    const arrived = outcome.kind === "runs" ? seen(survey, outline) : Promise.resolve();
    arrived
      .then(() => {
        release();
        line.look();
      })
      .catch((error: unknown) => {
        log.error({ stack: stackKey(outline.stack), err: error }, "who waits for room could not be told");
      });
  };
}

/** Resolves once the revision's pods are there, placed or not: from then on they count by themselves. */
export async function seen(survey: WakingParts["survey"], outline: Outline, signal?: AbortSignal): Promise<void> {
  const owner = stackKey(outline.stack);
  const isThere = (pods: readonly Pod[]): boolean =>
    missingOf(
      outline,
      pods.filter((pod) => pod.owner === owner),
    ).length === 0;
  const late = AbortSignal.timeout(comingMs);
  const over = signal ? AbortSignal.any([signal, late]) : late;
  const isSeen = (): boolean => {
    const capacity = survey.capacity();
    return capacity === null || isThere(capacity.pods);
  };
  await survey.until(isSeen, over).catch(() => undefined);
}

const comingMs = 5_000;
