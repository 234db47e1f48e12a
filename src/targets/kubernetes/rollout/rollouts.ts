import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey } from "../../../core/stack.ts";
import type { DeployOptions } from "../../../release/deployer.ts";
import type { Rollouts, Turn } from "../../rollout.ts";
import type { Workload } from "../../workload.ts";
import type { Pod } from "../capacity/capacity.ts";
import { planRollout, type RolloutPlan, type RolloutQuestion } from "../capacity/rollout-plan.ts";
import { makeSurvey, type Survey } from "../capacity/survey.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeFailedTries, type FailedTries } from "./failed-tries.ts";
import { makeHandovers, type Handovers } from "./handover.ts";
import { makeLine, type Line } from "./line.ts";
import { revisionOfPod, type Outline } from "./outline.ts";
import { noticesOf, questionOf } from "./question.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What a workload's pods will be; null where none are to run. */
  readonly outlineOf: (workload: Workload) => Outline | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ClusterRollouts extends Rollouts {
  /** Resolves once the cluster has told what it has. */
  readonly ready: Promise<unknown>;
  close(): Promise<void>;
}

/** Rollouts by what a cluster has: nodes, devices, quotas. */
export function makeClusterRollouts({ cluster, outlineOf, clock, log }: Dependencies): ClusterRollouts {
  const line = makeLine(clock);
  const survey = makeSurvey({ cluster, clock, log, onChange: () => line.look() });
  const handovers = makeHandovers({ cluster, survey, clock, log });
  const tries = makeFailedTries(clock);
  const judge = makeJudge(survey, line);
  const begin = makeBeginning({ survey, judge, line, handovers, tries, clock, log });
  return {
    ready: Promise.all([survey.ready, handovers.ready]),
    begin: async (workload, options) => {
      const outline = outlineOf(workload);
      const { signal, onProgress, previous } = options;
      const before = previous ? (outlineOf(previous)?.revision ?? null) : null;
      if (outline !== null) return begin(outline, { signal, onProgress, before });
      line.leave(workload.stack);
      return { end: () => undefined };
    },
    hasHandedOver: (stack) => handovers.isOut(stack),
    async giveBack(stack, previous, signal) {
      const before = previous && outlineOf(previous);
      const release = before ? judge.claim(before) : () => undefined;
      try {
        await handovers.undo(stack, signal);
        const soon = AbortSignal.any([signal, AbortSignal.timeout(comingMs)]);
        if (before) await survey.until(() => isComing(survey, before), soon).catch(() => undefined);
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
      await Promise.all([survey.close(), handovers.close()]);
    },
  };
}

/** Its pods are there, placed or not: from then on they count by themselves. */
const isComing = (survey: Pick<Survey, "capacity">, { stack, revision }: Outline): boolean =>
  (survey.capacity()?.pods ?? []).some((pod) => pod.owner === stackKey(stack) && revisionOfPod(pod) === revision);

const comingMs = 5_000;

interface Judge {
  decide(outline: Outline): RolloutPlan;
  question(outline: Outline): RolloutQuestion | null;
  /** Counts the revision's pods as there from now on; answers how to stop. */
  claim(outline: Outline): () => void;
}

function makeJudge(survey: Pick<Survey, "capacity">, line: Pick<Line, "blockedBy" | "others">): Judge {
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
  readonly survey: Pick<Survey, "ready" | "capacity">;
  readonly judge: Judge;
  readonly line: Line;
  readonly handovers: Handovers;
  readonly tries: FailedTries;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looked at again after this, should the cluster not tell of a change. */
const lookAgainMs = 30_000;
const surveyMs = 10_000;

function makeBeginning({ survey, judge, line, handovers, tries, clock, log }: BeginningParts) {
  function wait(outline: Outline, reason: string): never {
    const { stack } = outline;
    const isOver = (): boolean => {
      const plan = judge.decide(outline);
      return plan.kind !== "wait" || plan.reason !== reason;
    };
    line.join(stack, { shapes: judge.question(outline)?.new ?? [], forMs: 2 * lookAgainMs, isOver });
    throw new WaybillError("ROLLOUT_WAITING", reason, { retryAfterMs: lookAgainMs });
  }
  /** What failed before and was left for people to look at gives way first: it serves nobody. */
  async function decide(outline: Outline, { signal, before }: BeginOptions): Promise<RolloutPlan> {
    const { stack, revision } = outline;
    const plan = judge.decide(outline);
    const isLeft = (pod: Pod): boolean => ![revision, before].includes(revisionOfPod(pod));
    if (plan.kind === "surge" || before === null || !judge.question(outline)?.old.some(isLeft)) return plan;
    await handovers.clear(stack, new Set([revision, before]), signal);
    return judge.decide(outline);
  }
  return async (outline: Outline, options: BeginOptions): Promise<Turn> => {
    const { stack, revision } = outline;
    const { signal, onProgress } = options;
    await atMost(survey.ready, surveyMs, { clock, signal });
    if (survey.capacity() === null) log.warn({ stack: stackKey(stack) }, "the cluster's capacity is not known");
    const plan = await decide(outline, options);
    if (plan.kind === "handover") tries.check(stack, revision);
    if (plan.kind === "wait") wait(outline, plan.reason);
    // From here to the claim nothing is awaited: of two that want the last GPU, one sees the other's claim.
    const release = judge.claim(outline);
    line.leave(stack);
    try {
      if (plan.kind === "impossible") throw new WaybillError("ROLLOUT_IMPOSSIBLE", plan.reason);
      if (plan.kind === "handover") {
        onProgress({ state: "starting", message: "the old revision stops to make room for the new one" });
        await handovers.make(stack, revision, signal);
      }
    } catch (error) {
      release();
      throw error;
    }
    return {
      end(outcome) {
        release();
        line.look();
        if (outcome.kind === "failed" && outcome.isOutage) tries.note(stack, revision, outcome.reason);
        if (outcome.kind !== "runs") return;
        tries.forget(stack);
        handovers.forget(stack);
      },
    };
  };
}

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
