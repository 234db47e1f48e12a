import type { Run, RunStatus } from "../run.ts";
import type { RunStore } from "../store.ts";
import { acceptedRun, type Candidate } from "./admission.ts";

/** Runs that were written down before their time, which has come. */
export interface DueBatch {
  readonly id: string;
  /** Ids of all that was written down. */
  readonly runs: readonly string[];
  /** Those of them that may start now. */
  readonly candidates: readonly Candidate[];
}

/** The ordinals of runs, by their ids. */
export type Accepted = Promise<ReadonlyMap<string, number>>;

/** What was started before it is accepted, once that has come: nothing can be written of it before. */
export const onceAccepted = (
  { run, step }: Pick<RunStore, "run" | "step">,
  accepted: Promise<unknown>,
): Pick<RunStore, "run" | "step"> => ({
  run: async (id) => {
    await accepted;
    return run(id);
  },
  step: async (id, from, change) => {
    await accepted;
    return step(id, from, change);
  },
});

/** As it is once it is accepted, but for its ordinal. */
export function startedRun(candidate: Candidate, history: readonly [RunStatus, ...RunStatus[]]): Run {
  return acceptedRun({ ...candidate, acceptedAt: history[0].since, history, attempt: 1 }, 0);
}
