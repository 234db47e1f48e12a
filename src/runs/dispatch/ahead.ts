import { messageOf } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { RunOrder } from "../../targets/run-executor.ts";
import { statusAt, type Revision, type Run, type RunStatus } from "../run.ts";
import type { RunStore } from "../store.ts";
import { acceptedRun, type Candidate } from "./admission.ts";
import type { AttemptParts } from "./attempt.ts";
import { limitsOf } from "./limits.ts";
import type { Queues } from "./queues.ts";
import type { SlotBook } from "./slot-book.ts";

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

/** What was started of batches before it is accepted. */
export interface Started {
  /** Ids. */
  readonly started: ReadonlySet<string>;
  /** Rejects when the server stops before: the next one accepts them. */
  readonly accepted: Promise<unknown>;
}

/** The ordinals of runs, by their ids. */
type Accepted = Promise<ReadonlyMap<string, number>>;

interface AheadParts extends Omit<AttemptParts, "store" | "onStep"> {
  readonly store: Pick<RunStore, "run" | "step" | "release" | "acceptReleased">;
  readonly changes: Pick<Feed<Run>, "publish">;
  readonly book: SlotBook;
  readonly queues: Pick<Queues, "has">;
  /** One decision at a time. */
  readonly decide: <Result>(act: () => Promise<Result>) => Promise<Result>;
  readonly launch: (run: Run, revision: Revision, parts: AttemptParts) => void;
  readonly closing: AbortSignal;
}

const retryMs = 1_000;

/**
 * Starts those for which there is room of runs that were prepared, and accepts them afterwards. Called within a decision;
 * rejects when nothing was started.
 */
export async function startAhead(parts: AheadParts, batches: readonly DueBatch[]): Promise<Started> {
  const { store, book, clock, launch } = parts;
  const chosen = batches.map((batch) => ({
    ...batch,
    starts: batch.candidates.filter((one) => takeSlots(parts, one)),
  }));
  const started = new Set(chosen.flatMap(({ starts }) => starts.map(({ id }) => id)));
  const releases = chosen.map(({ id, runs }) => ({ batch: id, leftOut: runs.filter((run) => !started.has(run)) }));
  const now = clock.now();
  await store.release(releases, now).catch((error: unknown) => {
    for (const id of started) book.free(id);
    throw error;
  });
  const history = [statusAt(now, "Scheduled"), statusAt(now, "Pending")] as const;
  const accepted = Promise.all(
    chosen.map(({ id, starts }) => {
      const whenAccepted = accept(parts, id);
      const ahead = partsAhead(parts, { accepted: whenAccepted, starts });
      const runs = starts.map((candidate) => {
        const run = startedRun(candidate, history);
        launch(run, candidate.revision, ahead);
        return run;
      });
      return whenAccepted.then(() => runs.forEach(ahead.onStep));
    }),
  );
  // Nobody may be waiting for it yet.
  accepted.catch(() => undefined);
  return { started, accepted };
}

/** The verdict "start", for thousands at a time. */
function takeSlots({ book, queues }: AheadParts, { id, job, stack }: Candidate): boolean {
  const limits = limitsOf(job.workload);
  const isFree = !queues.has(stack) && book.full(limits) === null;
  if (isFree) book.take(id, limits);
  return isFree;
}

/** They run: nothing but the end of this server keeps it from trying. */
async function accept({ store, clock, log, decide, closing }: AheadParts, batch: string): Accepted {
  for (;;) {
    try {
      return await decide(() => store.acceptReleased(batch));
    } catch (error) {
      log.error({ error: messageOf(error) }, "runs that were started cannot be written down; it is tried again");
      await clock.sleep(retryMs, closing);
    }
  }
}

interface Starting {
  readonly accepted: Accepted;
  readonly starts: readonly PreparedCandidate[];
}

/** For what was started before it is accepted: nothing can be written of it before, nor told. */
function partsAhead({ changes, ...parts }: AheadParts, { accepted, starts }: Starting): AttemptParts {
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
function startedRun(candidate: Candidate, history: readonly [RunStatus, ...RunStatus[]]): Run {
  return acceptedRun({ ...candidate, acceptedAt: history[0].since, history, attempt: 1 }, 0);
}
