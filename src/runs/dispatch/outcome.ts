import type { ResolvedJob } from "../../spec/resolved.ts";
import type { RunEnd } from "../../targets/run-executor.ts";
import type { Run, RunOutcome, RunStatus } from "../run.ts";
import type { RunChange } from "../store.ts";

interface Ended {
  readonly run: Pick<Run, "retries">;
  readonly end: RunEnd;
  readonly retries: ResolvedJob["retries"];
  /** Set when it was ended because it took longer than this. */
  readonly timedOutAfterSeconds: number | null;
  readonly now: Date;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What becomes of a run whose program has ended without anybody having cancelled it. */
export function afterEnd({ run, end, retries, timedOutAfterSeconds, now, random }: Ended): RunChange {
  const known = { endedAt: end.endedAt, outcome: outcomeOf(end) };
  const status = endStatus(end, timedOutAfterSeconds, now);
  if (status.state === "Completed" || run.retries >= retries.limit) return { ...known, status };
  return { ...known, ...retrying({ run, retries, now, random }, status) };
}

type RetryFacts = Pick<Ended, "run" | "retries" | "now" | "random">;

/** The run waits for its next attempt, for the reason that it would have ended with. */
export function retrying({ run, retries, now, random }: RetryFacts, status: RunStatus): RunChange {
  const delayMs = retryDelayMs(retries, run.retries + 1, random);
  const dueAt = new Date(now.getTime() + delayMs);
  const next = `retry ${run.retries + 1} of ${retries.limit} in ${delayMs / 1_000} s`;
  return {
    status: {
      state: "Retrying",
      since: now,
      reason: `${status.reason}\n${next}`,
      waitingFor: nextAttempt(dueAt),
    },
    dueAt,
    retries: run.retries + 1,
  };
}

const nextAttempt = (dueAt: Date): string => `its next attempt at ${dueAt.toISOString()}`;

/** The same delay, from now on. */
export function delayedAnew({ status, dueAt }: Pick<Run, "status" | "dueAt">, now: Date): RunChange {
  const due = new Date(now.getTime() + dueAt.getTime() - status.since.getTime());
  return { status: { ...status, since: now, waitingFor: nextAttempt(due) }, dueAt: due };
}

/** `retry` counts from 1. */
export function retryDelayMs(retries: ResolvedJob["retries"], retry: number, random: () => number): number {
  const { delaysSeconds, backoff, jitter } = retries;
  const delaySeconds = delaysSeconds[retry - 1] ?? delaysSeconds.at(-1) ?? 0;
  // In a list each delay is said as it is, but for those after its end.
  const doublings = backoff === "exponential" ? Math.max(0, retry - delaysSeconds.length) : 0;
  const seconds = Math.min(delaySeconds * 2 ** Math.min(doublings, 30), maxDelaySeconds);
  return Math.round(seconds * (1 + jitter * random()) * 1_000);
}

// A retry that comes after days is nobody's retry any more.
const maxDelaySeconds = 24 * 60 * 60;

function endStatus(end: RunEnd, timedOutAfterSeconds: number | null, since: Date): RunStatus {
  const status = (state: RunStatus["state"], reason: string): RunStatus => ({ state, since, reason, waitingFor: null });
  if (timedOutAfterSeconds !== null) {
    return status("TimedOut", `took longer than its timeout of ${timedOutAfterSeconds} s, and was ended`);
  }
  if (end.crash !== null) return status("Crashed", end.reason);
  return end.exitStatus === 0 ? status("Completed", end.resultFault ?? "") : status("Failed", end.reason);
}

export const outcomeOf = ({ exitStatus, signal, peakMemoryBytes, result, files }: RunEnd): RunOutcome => ({
  exitStatus,
  signal,
  peakMemoryBytes,
  result,
  files,
});
