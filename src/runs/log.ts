import type { Clock } from "../core/clock.ts";
import type { Feed } from "../core/feed.ts";
import type { RunExecutor } from "../targets/run-executor.ts";
import type { LogRequest } from "../targets/target.ts";
import type { LogLine } from "../targets/workload.ts";
import type { Run } from "./run.ts";
import { isEnded } from "./state.ts";
import type { RunStore } from "./store.ts";

interface LogParts {
  readonly store: Pick<RunStore, "revision">;
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly changes: Feed<Run>;
  readonly find: (id: string) => Promise<Run>;
  readonly clock: Clock;
}

/** What a run says. One who follows hears all of it, through every attempt, until the run has ended. */
export async function* runLog(parts: LogParts, id: string, request: LogRequest): AsyncGenerator<LogLine> {
  const { store, executorOf, changes, find } = parts;
  const over = new AbortController();
  // Listened to first: it may end between the two.
  const stop = changes.listen((run) => {
    if (run.id === id && isEnded(run.status.state)) over.abort();
  });
  try {
    const run = await find(id);
    if (isEnded(run.status.state)) over.abort();
    const revision = await store.revision(id);
    const executor = revision && executorOf(revision.workload.target);
    const signal = AbortSignal.any([request.signal, over.signal]);
    if (executor) yield* executor.logs(id, { ...request, signal });
  } finally {
    stop();
  }
}
