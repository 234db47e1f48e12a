import { randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { makeFeed } from "../core/feed.ts";
import type { Log } from "../core/log.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { DeployRuns } from "../release/apply/deploy-jobs.ts";
import type { RunExecutor } from "../targets/run-executor.ts";
import type { TargetSchedules } from "../targets/target.ts";
import { Dispatcher } from "./dispatch/dispatcher.ts";
import { makeCallbacks, type CallbackSecrets } from "./callbacks.ts";
import { makeHistory } from "./history.ts";
import { makeJobBook } from "./job-book.ts";
import { orderOf, type OrderOf } from "./order.ts";
import type { Run } from "./run.ts";
import type { Runs } from "./runs.ts";
import type { Schedules } from "./schedules/schedules.ts";
import { makeService } from "./service.ts";
import { withChains } from "./triggers/chains.ts";
import type { Events } from "./triggers/events.ts";
import { makeTriggers, type Triggers } from "./triggers/triggers.ts";
import type { EventStore } from "./triggers/event-store.ts";
import type { RunStore } from "./store.ts";

export interface RunsRoomParts {
  readonly store: RunStore;
  readonly eventStore: EventStore;
  readonly schedules: Schedules;
  /** Schedules that targets fire; absent: none do. */
  readonly targetSchedules?: TargetSchedules;
  /** By target's name; null where it runs no jobs. */
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly secrets: CallbackSecrets;
  readonly clock: Clock;
  readonly log: Log;
  /** From so many schedules on that are due at one moment, their runs are written down before it. */
  readonly many?: number | undefined;
}

/** The runs room, wired. */
export interface RunsRoom {
  readonly runs: Runs;
  readonly events: Events;
  /** Runs jobs around the switches of deployments. */
  readonly deployRuns: DeployRuns;
  /** Takes over what runs, and fires schedules, until it is closed. */
  begin(): Promise<void>;
  /** Something about a deployment was said: it may be a job that is new, changed, paused or gone. */
  deploymentChanged(stack: StackName): void;
  /** Programs run on. */
  close(): Promise<void>;
}

export function makeRunsRoom(parts: RunsRoomParts): RunsRoom {
  const { clock, log } = parts;
  const { targetSchedules = noTargetSchedules } = parts;
  const store = withChains(parts.store, (state) => triggers.isChainDue(state));
  const changes = makeFeed<Run>();
  const jobs = makeJobBook(store);
  const closing = new AbortController();
  const newId = (): string => runId(clock.now());
  const order: OrderOf = (run, revision) => orderOf(parts.secrets, run, revision);
  const dispatcher = new Dispatcher({
    ...parts,
    store,
    orderOf: order,
    jobOf: (stack) => jobs.find(stack),
    changes,
    random: Math.random,
  });
  const accept: Dispatcher["accept"] = (candidates, marks) => dispatcher.accept(candidates, marks);
  const startAhead: Dispatcher["startAhead"] = (batches) => dispatcher.startAhead(batches);
  const calls = { takeJob, accept, startAhead, orderOf: order };
  const common = { ...parts, targetSchedules, store, jobs, changes, newId };
  const triggers: Triggers = makeTriggers({ ...common, ...calls });
  const history = makeHistory({ ...parts, jobs });
  const background = makeBackground(log);
  const callbacks = makeCallbacks({ store, secrets: parts.secrets, clock, log, signal: closing.signal });

  async function takeJob(stack: StackName): Promise<void> {
    const before = jobs.find(stack);
    const job = await jobs.reload(stack);
    if (!job && !before) return;
    await triggers.take(stack, job);
    await dispatcher.look(stack);
  }

  changes.listen((run) => {
    background.add(triggers.note(run), "what a run's end means for a deploy cannot be noted");
    background.add(history.note(run, closing.signal), "old runs cannot be removed");
    background.add(callbacks.deliver(run), "a callback cannot be delivered");
  });
  return {
    runs: makeService({ ...common, dispatcher, triggers, takeJob, callbacks }),
    deployRuns: triggers.deployRuns,
    events: triggers.events,
    async begin() {
      await jobs.load();
      // Before runs are adopted: one that ends is to be followed.
      for (const job of jobs.all()) triggers.expect(job);
      await dispatcher.begin();
      await triggers.begin();
      background.add(callbacks.deliverOwed(), "callbacks cannot be delivered");
      background.add(triggers.run(closing.signal), "nothing starts runs by itself any more");
      background.add(history.run(closing.signal), "old runs are removed no more");
    },
    deploymentChanged(stack) {
      if (!closing.signal.aborted) background.add(takeJob(stack), `job ${stackKey(stack)} cannot be read`);
    },
    async close() {
      closing.abort(new Error("the server is stopping"));
      await dispatcher.close();
      await background.settled();
    },
  };
}

const noTargetSchedules: TargetSchedules = {
  namesOf: () => new Set(),
  fired: () => Promise.resolve([]),
  onFired: () => () => undefined,
  set: () => Promise.resolve(),
};

/** What nobody awaits until the end; its failures are told. */
function makeBackground(log: Log) {
  const acts = new Set<Promise<void>>();
  return {
    add(act: Promise<void>, failure: string): void {
      const settled = act
        .catch((error: unknown) => log.error({ error: messageOf(error) }, failure))
        .finally(() => acts.delete(settled));
      acts.add(settled);
    },
    async settled(): Promise<void> {
      while (acts.size > 0) await Promise.all(acts);
    },
  };
}

/** Fifteen characters or so, of which the first eight sort by time. */
function runId(now: Date): string {
  return (
    now.getTime().toString(36) +
    BigInt(`0x${randomBytes(4).toString("hex")}`)
      .toString(36)
      .padStart(7, "0")
  );
}
