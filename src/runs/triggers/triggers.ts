import type { Clock } from "../../core/clock.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import type { StackName } from "../../core/stack.ts";
import type { TargetSchedules } from "../../targets/target.ts";
import { Calendar } from "../schedules/calendar.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { JobBook } from "../job-book.ts";
import type { OrderOf } from "../order.ts";
import type { Run } from "../run.ts";
import type { Schedules } from "../schedules/schedules.ts";
import type { Job, RunStore } from "../store.ts";
import { makeChains } from "./chains.ts";
import { makeDeploys } from "./deploys.ts";
import type { EventStore } from "./event-store.ts";
import { makeEvents } from "./events.ts";
import { makeTargetSchedules } from "./target-schedules.ts";

interface TriggersParts {
  readonly store: RunStore;
  readonly eventStore: EventStore;
  readonly schedules: Schedules;
  readonly jobs: JobBook;
  /** Reads a job again, and all that follows from it. */
  readonly takeJob: (stack: StackName) => Promise<void>;
  readonly accept: Dispatcher["accept"];
  readonly startAhead: Dispatcher["startAhead"];
  readonly orderOf: OrderOf;
  readonly changes: Pick<Feed<Run>, "listen">;
  readonly targetSchedules: TargetSchedules;
  readonly newId: () => string;
  readonly many?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** All that starts runs without a person: schedules, the ends of other runs, events, deploys. */
export function makeTriggers(parts: TriggersParts) {
  const { jobs } = parts;
  const ofTargets = makeTargetSchedules({ ...parts, target: parts.targetSchedules });
  const calendar = new Calendar({ ...parts, firedBy: ofTargets.namesOf });
  const chains = makeChains(parts);
  const { events, run: takeEvents } = makeEvents({ ...parts, store: parts.eventStore, runs: parts.store });
  const deploys = makeDeploys(parts);
  return {
    events,
    deployRuns: deploys.runs,
    isChainDue: chains.isDue,
    due: (stack: StackName) => calendar.due(stack),
    accepted: (run: string) => calendar.accepted(run),
    /** The job may follow runs that end from now on. */
    expect: (job: Job): void => chains.take(job.stack, job),
    /** Takes a job as it is now; null: it is gone. */
    async take(stack: StackName, job: Job | null): Promise<void> {
      chains.take(stack, job);
      await ofTargets.take(stack);
      await calendar.take(stack, job);
    },
    async note(run: Run): Promise<void> {
      chains.note(run);
      await deploys.note(run);
    },
    async begin(): Promise<void> {
      await deploys.noteMissed();
      await ofTargets.begin();
      await calendar.takeAll(jobs.all());
    },
    /** Until the signal aborts. */
    async run(signal: AbortSignal): Promise<void> {
      await Promise.all([calendar.run(signal), ofTargets.run(signal), chains.run(signal), takeEvents(signal)]);
    },
  };
}

export type Triggers = ReturnType<typeof makeTriggers>;
