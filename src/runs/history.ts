import { stackKey } from "../core/stack.ts";
import type { Log } from "../core/log.ts";
import type { RunExecutor } from "../targets/run-executor.ts";
import type { Run } from "./run.ts";
import { isEnded } from "./state.ts";
import type { RunStore } from "./store.ts";

interface HistoryParts {
  readonly store: Pick<RunStore, "prune" | "job">;
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly log: Log;
}

const kept = 1_000;
// Not after each run: to find what is over the limit costs as much as a run's own writes.
const endsBetween = 50;

/** Keeps so many ended runs of each job, with their logs and files. */
export function makeHistory({ store, executorOf, log }: HistoryParts) {
  const ends = new Map<string, number>();
  return {
    async note({ stack, status }: Run): Promise<void> {
      if (!isEnded(status.state)) return;
      const key = stackKey(stack);
      const count = (ends.get(key) ?? 0) + 1;
      ends.set(key, count % endsBetween);
      if (count < endsBetween) return;
      const job = await store.job(stack);
      const removed = await store.prune(stack, kept);
      const executor = job && executorOf(job.workload.target);
      for (const id of removed) await executor?.forget(id);
      if (removed.length > 0) log.debug({ job: key, count: removed.length }, "old runs removed");
    },
  };
}
