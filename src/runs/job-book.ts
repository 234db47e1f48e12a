import { WaybillError } from "../core/errors.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import { makeTurns } from "../core/waiting/turns.ts";
import type { Job, RunStore } from "./store.ts";

/** The jobs that are deployed now, in memory: read again when something about one of them was said. */
export interface JobBook {
  find(stack: StackName): Job | null;
  /** Throws NOT_FOUND. */
  get(stack: StackName): Job;
  all(): readonly Job[];
  load(): Promise<void>;
  /** Answers the job as it is now. */
  reload(stack: StackName): Promise<Job | null>;
}

export function makeJobBook(store: Pick<RunStore, "jobs" | "job">): JobBook {
  const jobs = new Map<string, Job>();
  const inTurn = makeTurns();
  const find = (stack: StackName): Job | null => jobs.get(stackKey(stack)) ?? null;
  return {
    find,
    get(stack) {
      const job = find(stack);
      if (job) return job;
      throw new WaybillError(
        "NOT_FOUND",
        `${stackKey(stack)} is no job that is deployed: waybill status ${stack.deployment}`,
      );
    },
    all: () => [...jobs.values()],
    async load() {
      for (const job of await store.jobs()) jobs.set(stackKey(job.stack), job);
    },
    reload: (stack) =>
      inTurn(stackKey(stack), async () => {
        const job = await store.job(stack);
        if (job) jobs.set(stackKey(stack), job);
        else jobs.delete(stackKey(stack));
        return job;
      }),
  };
}
