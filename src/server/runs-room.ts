import { systemClock } from "../core/clock.ts";
import type { Cipher } from "../core/cipher.ts";
import type { Log } from "../core/log.ts";
import type { StackName } from "../core/stack.ts";
import type { DeployRuns } from "../release/apply/deploy-jobs.ts";
import type { Release } from "../release/release.ts";
import { makeRunsRoom, type RunsRoom } from "../runs/room.ts";
import type { EventStore } from "../runs/triggers/event-store.ts";
import { makeSchedules } from "../runs/schedules/times.ts";
import type { Database } from "../store/database.ts";
import { makeEventStore } from "../store/runs/events.ts";
import { makeRunStore } from "../store/runs/run-store.ts";
import type { Secrets } from "../targets/secrets.ts";
import type { Target } from "../targets/target.ts";
import type { Closers } from "./closers.ts";

interface RunsParts {
  readonly base: { readonly db: Database; readonly cipher: Cipher };
  readonly target: Target;
  readonly secrets: Secrets;
  readonly release: Pick<Release, "events">;
  readonly log: Log;
  readonly closers: Closers;
  /** Told of who runs jobs around switches, once that is somebody. */
  readonly onDeployRuns: (runs: DeployRuns) => void;
}

interface OpenRuns extends Pick<RunsRoom, "runs" | "events"> {
  readonly eventStore: Pick<EventStore, "prune">;
}

/** Takes over the runs that outlived the last server, and goes on with jobs' schedules. */
export async function openRuns(parts: RunsParts): Promise<OpenRuns> {
  const { base, target, secrets, release, log, closers } = parts;
  const eventStore = makeEventStore(base.db, base.cipher);
  const room = makeRunsRoom({
    store: makeRunStore(base.db),
    eventStore,
    schedules: makeSchedules(),
    ...(target.schedules && { targetSchedules: target.schedules }),
    executorOf: (name) => target.executor?.({ target: name }) ?? null,
    secrets,
    clock: systemClock,
    log,
  });
  const ended = new AbortController();
  // Followed from before jobs are read: what is deployed meanwhile is read again.
  const following = follow(release.events(ended.signal), (stack) => room.deploymentChanged(stack));
  closers.add(async () => {
    ended.abort(new Error("the server is stopping"));
    await following;
    await room.close();
  });
  await room.begin();
  parts.onDeployRuns(room.deployRuns);
  return { runs: room.runs, events: room.events, eventStore };
}

/** Stands for what comes later: applies may begin before runs do. */
export function lateDeployRuns(): { readonly runs: DeployRuns; readonly set: (runs: DeployRuns) => void } {
  const { promise, resolve } = Promise.withResolvers<DeployRuns>();
  return { runs: { begin: async (run, signal) => (await unless(signal, promise)).begin(run, signal) }, set: resolve };
}

async function unless<Value>(signal: AbortSignal, value: Promise<Value>): Promise<Value> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([value, aborted]).finally(() => signal.removeEventListener("abort", abort));
}

type Events = ReturnType<Release["events"]>;

async function follow(events: Events, onDeployment: (stack: StackName) => void): Promise<void> {
  for await (const { type, repository, environment, deployment } of events) {
    if (type === "deployment" && environment !== null && deployment !== null) {
      onDeployment({ repository, environment, deployment });
    }
  }
}
