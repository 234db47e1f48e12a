import { isFiredByTarget } from "../../targets/run-executor.ts";
import { statusAt, type Run, type RunStatus } from "../run.ts";
import type { Job, NewRun } from "../store.ts";
import type { SlotBook } from "./slot-book.ts";
import { verdictOn } from "./verdict.ts";

export type Candidate = Omit<NewRun, "history" | "attempt"> & { readonly job: Job };

/** How a run of a job as it is now came to be; what is left out is so for all that starts without a person. */
export interface Start extends Pick<Candidate, "id" | "origin" | "parameters" | "acceptedAt"> {
  readonly dueAt?: Date;
  readonly name?: string;
  readonly callback?: string | null;
}

export const candidateOf = (job: Job, { dueAt, name = "", callback = null, ...start }: Start): Candidate => ({
  ...start,
  stack: job.stack,
  job,
  revision: job,
  name,
  dueAt: dueAt ?? start.acceptedAt,
  callback,
});

interface Surroundings {
  readonly now: Date;
  readonly book: Pick<SlotBook, "full">;
  /** Runs of its job are due and wait. */
  readonly isQueued: boolean;
}

/** Prefect's own patience before it calls a run late. */
export const lateMs = 15_000;

/** How a run begins that is accepted now: `Pending` where it is to be started, ended where it is dropped, else waiting. */
export function admitted({ job, ...run }: Candidate, { now, book, isQueued }: Surroundings): NewRun {
  const status = (state: RunStatus["state"], reason = "", waitingFor: string | null = null): RunStatus =>
    statusAt(now, state, { reason, waitingFor });
  // What runs already is not decided about.
  if (isFiredByTarget({ run: run.id, attempt: 1 })) {
    return { ...run, history: [status("Scheduled"), status("Pending", "its target has fired it")], attempt: 1 };
  }
  if (run.dueAt > now) return { ...run, history: [status("Scheduled", "", "its time")], attempt: 0 };
  const isLate = now.getTime() - run.dueAt.getTime() > lateMs;
  const first = isLate ? status("Late", "its time passed while nobody looked") : status("Scheduled");
  const verdict = verdictOn(job, book, !isQueued);
  switch (verdict.kind) {
    case "start":
      return { ...run, history: [first, status("Pending")], attempt: 1 };
    case "drop":
      return { ...run, history: [first, status("Cancelled", verdict.reason)], attempt: 0 };
    case "wait":
      return { ...run, history: [first, status("AwaitingConcurrencySlot", "", verdict.for)], attempt: 0 };
    default:
      return verdict satisfies never;
  }
}

/** Where it is after those steps. */
export const beginningOf = ({ history }: NewRun): RunStatus["state"] => (history.at(-1) ?? history[0]).state;

/** As reading it back would answer it. */
export function acceptedRun(run: NewRun, ordinal: number): Run {
  const { id, stack, name, origin, parameters, acceptedAt, dueAt, attempt, history, revision, callback } = run;
  return {
    id,
    stack,
    name,
    origin,
    parameters,
    acceptedAt,
    dueAt,
    attempt,
    history,
    ordinal,
    revision: { snapshot: revision.snapshot, commit: revision.commit },
    status: history.at(-1) ?? history[0],
    retries: 0,
    startedAt: null,
    endedAt: null,
    outcome: null,
    chainNote: "",
    callback: callback === null ? null : { url: callback, settled: null, reason: "" },
  };
}
