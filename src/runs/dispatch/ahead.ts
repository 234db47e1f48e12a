import type { Feed } from "../../core/feed.ts";
import type { RunOrder } from "../../targets/run-executor.ts";
import type { Run, RunStatus } from "../run.ts";
import { acceptedRun, type Candidate } from "./admission.ts";
import type { AttemptParts } from "./attempt.ts";

/** One that was written down before its time, with what its target is to be told, where that cannot change any more. */
export interface PreparedCandidate extends Candidate {
  readonly order: RunOrder | null;
}

/** Runs that were written down before their time, which has come. */
export interface DueBatch {
  readonly id: string;
  /** Ids of all that was written down. */
  readonly runs: readonly string[];
  /** Those of them that may start now. */
  readonly candidates: readonly PreparedCandidate[];
}

/** The ordinals of runs, by their ids. */
export type Accepted = Promise<ReadonlyMap<string, number>>;

interface Parts extends Omit<AttemptParts, "onStep"> {
  readonly changes: Pick<Feed<Run>, "publish">;
}

interface Starting {
  readonly accepted: Accepted;
  readonly starts: readonly PreparedCandidate[];
}

/** For what was started before it is accepted: nothing can be written of it before, nor told. */
export function partsAhead({ changes, ...parts }: Parts, { accepted, starts }: Starting): AttemptParts {
  const { store } = parts;
  const orders = new Map(starts.map(({ id, order }) => [id, order]));
  const publish = async (run: Run): Promise<void> => {
    const ordinals = await accepted;
    changes.publish({ ...run, ordinal: ordinals.get(run.id) ?? run.ordinal });
  };
  return {
    ...parts,
    orderOf: (run, revision) => {
      const order = run.attempt === 1 ? orders.get(run.id) : null;
      return order ? Promise.resolve(order) : parts.orderOf(run, revision);
    },
    store: {
      run: async (id) => {
        await accepted;
        return store.run(id);
      },
      step: async (id, from, change) => {
        await accepted;
        return store.step(id, from, change);
      },
    },
    onStep: (run) => void publish(run).catch(() => undefined),
  };
}

/** As it is once it is accepted, but for its ordinal. */
export function startedRun(candidate: Candidate, history: readonly [RunStatus, ...RunStatus[]]): Run {
  return acceptedRun({ ...candidate, acceptedAt: history[0].since, history, attempt: 1 }, 0);
}
