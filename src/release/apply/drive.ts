import { backoffMs } from "../../core/waiting/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { asWaybillError, type WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import type { Slots } from "../../core/waiting/slots.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Applied, Deployer, Progress } from "../deployer.ts";
import { makeAfters, type Afters } from "./afters.ts";
import { afterSwitch, beforeSwitch, type DeployRuns } from "./deploy-jobs.ts";
import { heirsSettled, missingHeir, type Wait } from "./heirs.ts";
import { isSettled, type DeploymentRow, type ReleaseStore } from "../store.ts";
import type { DeploymentState } from "../views.ts";

/** One line of what happens to a deployment, for those who watch. */
export interface Step {
  readonly stack: StackName;
  readonly state: DeploymentState | "removed";
  readonly message: string;
  readonly url: string | null;
  readonly at: Date;
}

export interface Driver {
  /**
   * Makes the stack match its row, now or after what is under way; an apply of an older content is cancelled, and a
   * pause between two tries ends. `row`: as it has just been written, where that is known.
   */
  wake(stack: StackName, desiredDigest: string, row?: DeploymentRow): void;
  /** Applies the stack's row once more, to put back what others changed; not where its last apply failed. */
  restore(stack: StackName): void;
  /** Resolves once nothing is left to do for the stack at this moment, retries of failures aside. */
  settled(stack: StackName): Promise<void>;
  /** Resolves once it is settled and the job that follows its switch has ended, or goes on for long. */
  quiet(stack: StackName): Promise<void>;
  isBusy(stack: StackName): boolean;
  close(): Promise<void>;
}

interface DriverParts {
  readonly store: ReleaseStore;
  readonly deployer: Deployer;
  readonly steps: Feed<Step>;
  readonly clock: Clock;
  readonly log: Log;
  /** What bounds how many stacks of a target are applied at once. */
  readonly slotsOf: (target: string) => Slots;
  /** Runs the jobs around switches; null where nobody does. */
  readonly deployRuns: DeployRuns | null;
}

/** One stack's work: at most one pass at a time, and always one more when something changed meanwhile. */
interface Worker {
  digest: string;
  /** What its next pass need not read. */
  row: DeploymentRow | null;
  abort: AbortController;
  isDirty: boolean;
  /** Until the next pass has begun. */
  isRestoring: boolean;
  /** Between a pass that failed and the next try. */
  isResting: boolean;
  done: Promise<void>;
}

const nextPass = () => ({
  isDirty: false,
  isRestoring: false,
  isResting: false,
  row: null,
  abort: new AbortController(),
});

// Any digest that comes meanwhile is newer.
const newWorker = (): Worker => ({ ...nextPass(), digest: "", done: Promise.resolve() });

// Whoever asks after a try has failed would wait for the next one, hours perhaps.
const isAtRest = (worker: Worker | undefined): boolean => !worker || (worker.isResting && !worker.isDirty);

const retryDelayMs = (attempt: number): number => backoffMs({ failures: attempt + 1, firstMs: 1_000, maxMs: 60_000 });

type Pass = "settled" | "again" | Retry;

interface Retry {
  readonly retryAfterMs: number;
  /** Nothing is wrong: it may go on before that time, when its target says so. */
  readonly isWaiting: boolean;
}

export function makeDriver(given: DriverParts): Driver {
  const workers = new Map<string, Worker>();
  const idle = makeWaiters();
  const closing = new AbortController();
  const parts: ApplyParts = { ...given, afters: makeAfters(given, closing.signal) };

  async function work(stack: StackName, worker: Worker): Promise<void> {
    const key = stackKey(stack);
    let attempt = 0;
    do {
      const { isRestoring: restore, row: given } = worker;
      Object.assign(worker, nextPass());
      const signal = AbortSignal.any([worker.abort.signal, closing.signal]);
      // What cannot be read is found out by the pass that follows.
      const row = given ?? (await parts.store.deployment(stack).catch(() => null));
      // Not within the gate: many that wait there would keep out whom they wait for.
      const refusal = row && (await othersFirst(parts, row, { settled, signal }));
      const slots = parts.slotsOf((row?.workload ?? row?.appliedWorkload)?.target ?? "");
      // Whoever changes a row wakes its worker: one that nobody woke is as it was read.
      const known = (): DeploymentRow | null => (worker.isDirty ? null : row);
      const pass = await slots.run(() => applyOnce(parts, { stack, row: known(), signal, attempt, restore, refusal }));
      worker.isRestoring ||= restore && typeof pass === "object";
      if (typeof pass === "object" && !worker.isDirty) {
        worker.isResting = true;
        idle.resume(key);
        attempt += 1;
        await worthRetrying(parts, { stack, signal, pass });
      } else attempt = 0;
      worker.isDirty ||= pass !== "settled";
    } while (worker.isDirty && !closing.signal.aborted);
    // No await between the check above and here: a wake-up in between would be lost.
    workers.delete(key);
    idle.resume(key);
  }

  const settled = (stack: StackName): Promise<void> =>
    isAtRest(workers.get(stackKey(stack))) ? Promise.resolve() : idle.wait(stackKey(stack));

  function start(stack: StackName, given: Partial<Worker>): void {
    if (closing.signal.aborted) return;
    const worker = { ...newWorker(), ...given };
    workers.set(stackKey(stack), worker);
    worker.done = work(stack, worker);
  }

  return {
    wake(stack, desiredDigest, row) {
      const running = workers.get(stackKey(stack));
      if (!running) return start(stack, { digest: desiredDigest, row: row ?? null });
      running.isDirty = true;
      // Whoever asks while it rests would wait for the next try, minutes perhaps.
      const isToGoOn = running.isResting || running.digest !== desiredDigest;
      if (isToGoOn) running.abort.abort(new Error("a newer content is to be applied"));
      running.digest = desiredDigest;
    },
    restore(stack) {
      const running = workers.get(stackKey(stack));
      if (!running) return start(stack, { isRestoring: true });
      Object.assign(running, { isDirty: true, isRestoring: true });
    },
    settled,
    quiet: (stack) => settled(stack).then(() => parts.afters.ended(stack)),
    isBusy: (stack) => workers.has(stackKey(stack)),
    async close() {
      closing.abort(new Error("the server is stopping"));
      await Promise.all([...[...workers.values()].map(({ done }) => done), parts.afters.close()]);
    },
  };
}

/** Those who wait for a key, all resumed at once. */
function makeWaiters() {
  const waiters = new Map<string, (() => void)[]>();
  return {
    wait: (key: string): Promise<void> =>
      new Promise((resolve) => waiters.set(key, [...(waiters.get(key) ?? []), resolve])),
    resume(key: string): void {
      for (const resume of waiters.get(key) ?? []) resume();
      waiters.delete(key);
    },
  };
}

/** Waits for those whose turn is before a deployment's; answers why it may not have its own. */
async function othersFirst(parts: DriverParts, row: DeploymentRow, wait: Wait): Promise<WaybillError | null> {
  await heirsSettled(parts.store, row, wait);
  return beforeSwitch(parts, row, wait);
}

interface Pause {
  readonly stack: StackName;
  readonly signal: AbortSignal;
  readonly pass: Retry;
}

/** Resolves when it is time to try again, or when the signal aborts. */
async function worthRetrying({ clock, deployer }: DriverParts, { stack, signal, pass }: Pause): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const time = clock.sleep(pass.retryAfterMs, either);
  const changed = pass.isWaiting ? deployer.changed?.(stack, either) : undefined;
  await Promise.race(changed ? [time, changed] : [time]).catch(() => undefined);
  over.abort();
  await time.catch(() => undefined);
}

type ApplyParts = DriverParts & { readonly afters: Afters };

interface Attempt {
  readonly stack: StackName;
  /** As it was read a moment ago; null to read it now. */
  readonly row: DeploymentRow | null;
  readonly signal: AbortSignal;
  readonly attempt: number;
  readonly restore: boolean;
  /** Why the new revision may not take over; null when it may. */
  readonly refusal: WaybillError | null;
}

/** One pass over a stack. Never throws: what goes wrong becomes the deployment's state. */
async function applyOnce(parts: ApplyParts, options: Attempt): Promise<Pass> {
  const { stack, signal, attempt, restore } = options;
  const { store, log } = parts;
  try {
    const row = options.row ?? (await store.deployment(stack));
    if (!row || signal.aborted) return "settled";
    if (row.workload === null) return await remove(parts, row, signal);
    if (row.blocked !== null) {
      parts.steps.publish({ stack, state: "waiting", message: row.blocked, url: null, at: parts.clock.now() });
    }
    const isUnchanged = isSettled(row) && (!restore || row.desiredDigest !== row.appliedDigest);
    if (row.blocked !== null || isUnchanged) return "settled";
    if (options.refusal) throw options.refusal;
    return await apply(parts, row, options);
  } catch (thrown) {
    if (signal.aborted) return "settled";
    const error = asWaybillError(thrown);
    const told = { stack: stackKey(stack), code: error.code, attempt };
    // A program that does not run, or has no room, is its owner's affair; they are told in full elsewhere.
    const isOwners = error.verdict === "rejected" || error.verdict === "waiting";
    if (isOwners) log.info({ ...told, reason: error.message }, "not applied");
    else log.error({ ...told, err: error }, "apply failed");
    return await fail(parts, { stack, error, attempt }).catch((cause: unknown) => {
      log.error({ stack: stackKey(stack), err: cause }, "a failure could not be recorded");
      return { retryAfterMs: retryDelayMs(attempt), isWaiting: false };
    });
  }
}

async function remove({ store, deployer, steps, clock }: DriverParts, row: DeploymentRow, signal: AbortSignal) {
  const { stack } = row;
  const heir = await missingHeir(store, row);
  if (heir) {
    const message = `kept until ${heir.stack.deployment} has taken over its host name`;
    steps.publish({ stack, state: "waiting", message, url: null, at: clock.now() });
    return "settled" as const;
  }
  await deployer.remove(stack, { signal, onProgress: () => undefined });
  signal.throwIfAborted();
  await store.forget(stack);
  steps.publish({ stack, state: "removed", message: "removed", url: null, at: clock.now() });
  return "settled" as const;
}

async function apply(parts: ApplyParts, row: DeploymentRow, { signal, restore }: Attempt): Promise<Pass> {
  const { store, deployer, steps, clock } = parts;
  const { stack, workload, desiredDigest } = row;
  if (!workload) return "settled";
  // States are written in the order they happen, without holding up the apply.
  let writes: Promise<unknown> = Promise.resolve();
  let current = row.state;
  let recorded = row.reason === "" ? row.state : null;
  const onProgress = ({ state, message }: Progress): void => {
    current = state ?? current;
    steps.publish({ stack, state: current, message, url: null, at: clock.now() });
    if (!state || state === recorded) return;
    recorded = state;
    writes = writes.then(() => store.setState(stack, state, ""));
  };
  let applied: Applied;
  try {
    applied = await deployer.apply(workload, { signal, onProgress, previous: row.appliedWorkload, restore });
  } finally {
    await writes;
  }
  // Before it is written that the revision is live: whatever happens meanwhile, its job is begun.
  const after = await afterSwitch(parts, row, signal);
  const { state } = applied.status;
  const reason = applied.status.reason || after.fault;
  const isCurrent = await store.recordApplied(stack, {
    digest: desiredDigest,
    state,
    reason,
    url: applied.url,
    isApplied: true,
  });
  if (isCurrent) steps.publish({ stack, state, message: reason || state, url: applied.url, at: clock.now() });
  if (after.run) parts.afters.follow(stack, after.run, applied.url);
  return isCurrent ? "settled" : "again";
}

interface Failure {
  readonly stack: StackName;
  readonly error: WaybillError;
  readonly attempt: number;
}

async function fail({ store, steps, clock }: DriverParts, { stack, error, attempt }: Failure): Promise<Pass> {
  const row = await store.deployment(stack);
  if (!row) return "settled";
  const isFinal = error.verdict === "rejected" || error.verdict === "bug";
  const retryAfterMs = error.retryAfterMs ?? retryDelayMs(attempt);
  const before = row.appliedDigest === null ? "" : "\nWhat ran before keeps running.";
  const state = error.verdict === "waiting" ? ("waiting" as const) : ("failed" as const);
  const reason = `${error.message}${before}`;
  if (isFinal) {
    const outcome = { digest: row.desiredDigest, state, reason, url: row.url, isApplied: false };
    if (!(await store.recordApplied(stack, outcome))) return "again";
  } else {
    await store.setState(stack, state, reason);
  }
  steps.publish({ stack, state, message: reason, url: null, at: clock.now() });
  return isFinal ? "settled" : { retryAfterMs, isWaiting: error.verdict === "waiting" };
}
