import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { DeployOptions } from "../../../release/deployer.ts";
import type { Rollouts, Turn } from "../../rollout.ts";
import type { RouteParking } from "../../route.ts";
import type { Workload } from "../../workload.ts";
import type { Pod } from "../capacity/capacity.ts";
import { podShortage } from "../capacity/pod-shortage.ts";
import { makeSurvey } from "../capacity/survey.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeFailedTries, type FailedTries } from "./failed-tries.ts";
import { makeHandovers, type Handovers } from "./handover.ts";
import { makeLineKeeper, type LineBook } from "./line-keeper.ts";
import { makeLine } from "./line.ts";
import { makeJudge, leavingReason } from "./judge.ts";
import { revisionOfPod, type Outline } from "./outline.ts";
import { noticesOf } from "./question.ts";
import {
  lookAgainMs,
  makeConclusion,
  makeWaking,
  seen,
  standInLine,
  type WakeOptions,
  type WakingParts,
} from "./waking.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What this server is called in it. */
  readonly server: string;
  /** What a workload's pods will be; null where none are to run. */
  readonly outlineOf: (workload: Workload) => Outline | null;
  /** Where requests come in; absent where they cannot be made to wait. */
  readonly entrance?: RouteParking;
  /** Where the order of those who wait for room is kept; absent: it ends with this process. */
  readonly lineBook?: LineBook;
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
  /** What a pod lacks that waits for a place, and who has it; null where nothing is known of that. */
  shortage(pod: { readonly namespace?: string | undefined; readonly name: string }): string | null;
  close(): Promise<void>;
}

/** Rollouts by what a cluster has: nodes, devices, quotas. */
const noTurn: Turn = { end: () => undefined };

export function makeClusterRollouts(dependencies: Dependencies): ClusterRollouts {
  const { cluster, server, outlineOf, entrance, lineBook, clock, log } = dependencies;
  const keeper = lineBook && makeLineKeeper(lineBook, log);
  const line = makeLine(clock, keeper);
  const closing = new AbortController();
  const onChange = soon(() => line.look(), { clock, log, signal: closing.signal });
  const survey = makeSurvey({ cluster, server, clock, log, onChange });
  const handovers = makeHandovers({ cluster, server, survey, clock, log });
  const tries = makeFailedTries(clock);
  const judge = makeJudge({ survey, line, handovers, clock });
  const restored = keeper?.standing().then((standing) => line.restore(standing, 2 * lookAgainMs));
  const looked = Promise.all([atMost(survey.ready, surveyMs, { clock, signal: closing.signal }), restored]);
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
    shortage(pod) {
      const capacity = survey.capacity();
      return capacity && podShortage(capacity, pod);
    },
    async giveBack(stack, previous, signal) {
      const before = previous && outlineOf(previous);
      const release = before ? judge.claim(before) : () => undefined;
      try {
        await handovers.undo(stack, before?.revision ?? null, signal);
        await entrance?.park(stack, null);
        if (before) await seen(survey, before, signal);
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
      await Promise.all([survey.close(), handovers.close(), restored]);
      await keeper?.close();
    },
  };
}

interface BeginOptions extends Pick<DeployOptions, "signal" | "onProgress"> {
  /** The revision that runs; null where that is not known. */
  readonly before: string | null;
}

interface BeginningParts extends WakingParts {
  readonly handovers: Handovers;
  readonly tries: FailedTries;
  readonly entrance: RouteParking | undefined;
}

const surveyMs = 10_000;
/** Pods that take longer to stop are waited for without holding up other applies. */
const leavingMs = 15_000;

function makeBeginning({ survey, looked, judge, line, handovers, tries, entrance, log }: BeginningParts) {
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
    if (plan.kind === "wait") {
      standInLine({ judge, line }, outline, plan.reason);
      throw new WaybillError("ROLLOUT_WAITING", plan.reason, { retryAfterMs: lookAgainMs });
    }
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
        // The new route has ended the waiting already, unless nothing of it changed.
        if (plan.kind === "handover") void entrance?.park(stack, null).catch(untold(stack, log));
      },
    };
  };
}

const untold =
  (stack: StackName, log: Log) =>
  (error: unknown): void =>
    log.warn({ stack: stackKey(stack), err: error }, "an entrance could not be told to let requests in");

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
