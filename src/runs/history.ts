import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { stackKey } from "../core/stack.ts";
import { makeTurns } from "../core/waiting/turns.ts";
import type { RunExecutor } from "../targets/run-executor.ts";
import type { Run } from "./run.ts";
import { isEnded } from "./state.ts";
import type { Job, Kept, RunStore } from "./store.ts";

interface HistoryParts {
  readonly store: Pick<RunStore, "superfluous" | "remove">;
  readonly jobs: { find(stack: Job["stack"]): Job | null; all(): readonly Job[] };
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly clock: Clock;
  readonly log: Log;
}

// Not after each run: to find what is over the limit costs as much as a run's own writes.
const mostEndsBetween = 50;
const atOnce = 200;
const betweenSweepsMs = 60 * 60_000;

/** Keeps what a job's file says of its ended runs, with their logs and files. */
export function makeHistory({ store, jobs, executorOf, clock, log }: HistoryParts) {
  const ends = new Map<string, number>();
  const inTurn = makeTurns();

  async function tidy(job: Job, signal: AbortSignal): Promise<void> {
    let count = 0;
    for (let isMore = true; isMore && !signal.aborted;) {
      const found = await store.superfluous(job.stack, keptOf(job, clock.now()), atOnce);
      // Files first: were the server killed between, nobody would know any more that they are there.
      for (const { id, target } of found) await executorOf(target)?.forget(id);
      await store.remove(found.map(({ id }) => id));
      count += found.length;
      isMore = found.length === atOnce;
    }
    if (count > 0) log.debug({ job: stackKey(job.stack), count }, "old runs removed");
  }

  const tell = (error: unknown): void =>
    log.warn({ error: messageOf(error) }, "old runs cannot be removed; they are tried again");

  return {
    /** A run took a step. */
    async note({ stack, status }: Run, signal: AbortSignal): Promise<void> {
      const job = isEnded(status.state) ? jobs.find(stack) : null;
      if (!job) return;
      const key = stackKey(stack);
      const count = (ends.get(key) ?? 0) + 1;
      const { completed, failed, cancelled } = job.workload.spec.history;
      const isDue = count >= Math.min(mostEndsBetween, Math.ceil(Math.min(completed, failed, cancelled) / 10));
      ends.set(key, isDue ? 0 : count);
      if (isDue) await inTurn(key, () => tidy(job, signal));
    },
    /** What grows too old without anything ending, and what a deploy has less room for, until the signal aborts. */
    async run(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        for (const job of jobs.all()) await inTurn(stackKey(job.stack), () => tidy(job, signal)).catch(tell);
        await clock.sleep(betweenSweepsMs, signal).catch(() => undefined);
      }
    },
  };
}

function keptOf({ workload: { spec } }: Job, now: Date): Kept {
  const { completed, failed, cancelled, maxAgeSeconds } = spec.history;
  const since = maxAgeSeconds === null ? null : new Date(now.getTime() - maxAgeSeconds * 1_000);
  return { completed, failed, cancelled, since };
}
