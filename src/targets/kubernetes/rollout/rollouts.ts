import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { DeployOptions } from "../../../release/deployer.ts";
import type { Outcome, Rollouts, Turn } from "../../rollout.ts";
import type { RouteParking } from "../../route.ts";
import type { Workload } from "../../workload.ts";
import type { Pod } from "../capacity/capacity.ts";
import { planRollout, type RolloutPlan, type RolloutQuestion } from "../capacity/rollout-plan.ts";
import { makeSurvey, type Survey } from "../capacity/survey.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeFailedTries, type FailedTries } from "./failed-tries.ts";
import { makeHandovers, type Handovers } from "./handover.ts";
import { makeLine, type Line } from "./line.ts";
import { revisionOfPod, type Outline } from "./outline.ts";
import { noticesOf, questionOf, withoutLeaving } from "./question.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What a workload's pods will be; null where none are to run. */
  readonly outlineOf: (workload: Workload) => Outline | null;
  /** Where requests come in; absent where they cannot be made to wait. */
  readonly entrance?: RouteParking;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ClusterRollouts extends Rollouts {
  /**
   * Resolves once there is room for a workload that sleeps, which until then waits in line with `onWait` told why.
   * Throws ROLLOUT_IMPOSSIBLE. When the signal aborts, its place in line is kept for a while.
   */
  wake(workload: Workload, options: WakeOptions): Promise<Turn>;
  /** Resolves once the cluster has told what it has. */
  readonly ready: Promise<unknown>;
  close(): Promise<void>;
}

export interface WakeOptions {
  readonly signal: AbortSignal;
  readonly onWait: (reason: string) => Promise<void>;
}

/** Rollouts by what a cluster has: nodes, devices, quotas. */
export function makeClusterRollouts({ cluster, outlineOf, entrance, clock, log }: Dependencies): ClusterRollouts {
  const line = makeLine(clock);
  const closing = new AbortController();
  const onChange = soon(() => line.look(), { clock, log, signal: closing.signal });
  const survey = makeSurvey({ cluster, clock, log, onChange });
  const handovers = makeHandovers({ cluster, survey, clock, log });
  const tries = makeFailedTries(clock);
  const judge = makeJudge({ survey, line, handovers, clock });
  const looked = atMost(survey.ready, surveyMs, { clock, signal: closing.signal });
  const parts = { survey, looked, judge, line, handovers, tries, entrance, log };
  const begin = makeBeginning(parts);
  const wake = makeWaking(parts);
  const ready = Promise.all([survey.ready, handovers.ready]);
  // Closed before it has seen the cluster, there is nobody left to tell.
  ready.catch(() => undefined);
  return {
    ready,
    begin: async (workload, options) => {
      const outline = outlineOf(workload);
      const { signal, onProgress, previous } = options;
      const before = previous ? (outlineOf(previous)?.revision ?? null) : null;
      if (outline !== null) return begin(outline, { signal, onProgress, before });
      line.leave(workload.stack);
      return noTurn;
    },
    async wake(workload, options) {
      const outline = outlineOf(workload);
      return outline === null ? noTurn : wake(outline, options);
    },
    hasHandedOver: (stack) => handovers.isOut(stack),
    async giveBack(stack, previous, signal) {
      const before = previous && outlineOf(previous);
      const release = before ? judge.claim(before) : () => undefined;
      try {
        await handovers.undo(stack, before?.revision ?? null, signal);
        await entrance?.park(stack, null);
        if (before) await seen(survey, before, AbortSignal.any([signal, AbortSignal.timeout(comingMs)]));
      } finally {
        release();
      }
    },
    notices(workload) {
      const outline = outlineOf(workload);
      return outline === null ? [] : noticesOf(judge.decide(outline));
    },
    changed: (stack, signal) => line.changed(stack, signal),
    leave: (stack) => line.leave(stack),
    async close() {
      closing.abort();
      await Promise.all([survey.close(), handovers.close()]);
    },
  };
}

const noTurn: Turn = { end: () => undefined };

/** Resolves once the revision's pods are there, placed or not: from then on they count by themselves. */
async function seen(survey: Pick<Survey, "capacity" | "until">, outline: Outline, signal: AbortSignal): Promise<void> {
  const owner = stackKey(outline.stack);
  const isIts = (pod: Pod): boolean => pod.owner === owner && revisionOfPod(pod) === outline.revision;
  await survey.until(() => survey.capacity()?.pods.some(isIts) ?? true, signal).catch(() => undefined);
}

const comingMs = 5_000;

interface Judge {
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

const leavingReason = "pods that hold what it wants are stopping";

function makeJudge({ survey, line, handovers, clock }: JudgeParts): Judge {
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

interface BeginOptions extends Pick<DeployOptions, "signal" | "onProgress"> {
  /** The revision that runs; null where that is not known. */
  readonly before: string | null;
}

interface BeginningParts {
  readonly survey: Pick<Survey, "capacity" | "until">;
  /** Resolves once the cluster has been looked at, or once it has been tried long enough. */
  readonly looked: Promise<void>;
  readonly judge: Judge;
  readonly line: Line;
  readonly handovers: Handovers;
  readonly tries: FailedTries;
  readonly entrance: RouteParking | undefined;
  readonly log: Log;
}

/** Looked at again after this, should the cluster not tell of a change. */
const lookAgainMs = 30_000;
const surveyMs = 10_000;
/** Pods that take longer to stop are waited for without holding up other applies. */
const leavingMs = 15_000;

function makeBeginning({ survey, looked, judge, line, handovers, tries, entrance, log }: BeginningParts) {
  function wait(outline: Outline, reason: string): never {
    const { stack } = outline;
    const isOver = (): boolean => {
      const plan = judge.decide(outline);
      return plan.kind !== "wait" || plan.reason !== reason;
    };
    line.join(stack, { shapes: judge.question(outline)?.new ?? [], forMs: 2 * lookAgainMs, isOver });
    throw new WaybillError("ROLLOUT_WAITING", reason, { retryAfterMs: lookAgainMs });
  }
  /** A moment's wait is part of the apply: whoever pushed is not sent away for it. */
  async function untilLeft(outline: Outline, { signal, onProgress }: BeginOptions): Promise<void> {
    const isLeaving = (): boolean => {
      const plan = judge.decide(outline);
      return plan.kind === "wait" && plan.reason === leavingReason;
    };
    if (!isLeaving()) return;
    onProgress({ message: leavingReason });
    const over = AbortSignal.timeout(leavingMs);
    await survey.until(() => !isLeaving(), AbortSignal.any([signal, over])).catch(() => signal.throwIfAborted());
  }
  /** What failed before and was left for people to look at gives way first: it serves nobody. */
  async function clearFailed(outline: Outline, { signal, before }: BeginOptions): Promise<void> {
    const { stack, revision } = outline;
    const isLeft = (pod: Pod): boolean => ![revision, before].includes(revisionOfPod(pod));
    if (before === null || judge.decide(outline).kind === "surge") return;
    const isAnyLeft = judge.question(outline)?.old.some(isLeft) ?? false;
    if (isAnyLeft) await handovers.clear(stack, new Set([revision, before]), signal);
  }
  const conclude = makeConclusion({ survey, line, log });
  /** The new route has ended the waiting already, unless nothing of it changed. */
  function letIn(stack: StackName): void {
    entrance?.park(stack, null).catch((error: unknown) => {
      log.warn({ stack: stackKey(stack), err: error }, "an entrance could not be told to let requests in");
    });
  }
  return async (outline: Outline, options: BeginOptions): Promise<Turn> => {
    const { stack, revision } = outline;
    const { signal, onProgress } = options;
    await looked;
    if (survey.capacity() === null) log.warn({ stack: stackKey(stack) }, "the cluster's capacity is not known");
    await clearFailed(outline, options);
    await untilLeft(outline, options);
    // From the decision to the claim nothing is awaited: of two that want the last GPU, one sees the other's claim.
    const plan = judge.decide(outline);
    if (plan.kind === "handover") tries.check(stack, revision);
    if (plan.kind === "wait") wait(outline, plan.reason);
    const release = judge.claim(outline);
    line.leave(stack);
    try {
      if (plan.kind === "impossible") throw new WaybillError("ROLLOUT_IMPOSSIBLE", plan.reason);
      if (plan.kind === "handover") {
        onProgress({ state: "starting", message: "the old revision stops to make room for the new one" });
        // Requests come before the old revision's last pod goes, and after.
        await entrance?.park(stack, outline.startSeconds);
        await handovers.make(stack, revision, signal);
      }
    } catch (error) {
      release();
      throw error;
    }
    return {
      end(outcome) {
        conclude(outline, outcome, release);
        if (outcome.kind === "failed" && outcome.isOutage) tries.note(stack, revision, outcome.reason);
        if (outcome.kind !== "runs") return;
        tries.forget(stack);
        handovers.forget(stack);
        if (plan.kind === "handover") letIn(stack);
      },
    };
  };
}

/** A claim is good until the pods speak for themselves. */
function makeConclusion({ survey, line, log }: Pick<BeginningParts, "survey" | "line" | "log">) {
  return (outline: Outline, outcome: Outcome, release: () => void): void => {
    const arrived = outcome.kind === "runs" ? seen(survey, outline, AbortSignal.timeout(comingMs)) : Promise.resolve();
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

/** What sleeps holds nothing: it takes what is free, and stands in line for it like any other. */
function makeWaking({ survey, looked, judge, line, log }: BeginningParts) {
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
      const isOver = (): boolean => {
        const now = judge.decide(outline);
        return now.kind !== "wait" || now.reason !== reason;
      };
      line.join(stack, { shapes: judge.question(outline)?.new ?? [], forMs: 2 * lookAgainMs, isOver });
      if (told !== reason) await onWait(reason);
      told = reason;
      await line.changed(stack, AbortSignal.any([signal, AbortSignal.timeout(lookAgainMs)]));
    }
    const release = judge.claim(outline);
    line.leave(stack);
    return { end: (outcome) => conclude(outline, outcome, release) };
  };
}

/** Changes come in bursts: many calls within a moment are one. */
function soon(act: () => void, { clock, log, signal }: Limits & Pick<Dependencies, "log">): () => void {
  let isDue = false;
  const later = async (): Promise<void> => {
    await clock.sleep(burstMs, signal);
    isDue = false;
    act();
  };
  return () => {
    if (isDue || signal.aborted) return;
    isDue = true;
    later().catch((error: unknown) => {
      if (!signal.aborted) log.error({ err: error }, "who waits for room could not be told");
    });
  };
}

const burstMs = 20;

interface Limits {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

async function atMost(promise: Promise<unknown>, limitMs: number, { clock, signal }: Limits): Promise<void> {
  const over = new AbortController();
  const time = clock.sleep(limitMs, AbortSignal.any([signal, over.signal])).catch(() => undefined);
  await Promise.race([promise.catch(() => undefined), time]);
  over.abort();
  await time;
}
