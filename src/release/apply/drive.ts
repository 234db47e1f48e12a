import type { WaybillError } from "../../core/errors.ts";
import type { Slots } from "../../core/waiting/slots.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { makeAfters } from "./afters.ts";
import { beforeSwitch } from "./deploy-jobs.ts";
import { heirsSettled, type Wait } from "./heirs.ts";
import { applyOnce, type PassParts, type Retry } from "./pass.ts";
import type { DeploymentRow } from "../store.ts";
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

interface DriverParts extends Omit<PassParts, "afters"> {
  /** What bounds how many stacks of a target are applied at once. */
  readonly slotsOf: (target: string) => Slots;
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

export function makeDriver(given: DriverParts): Driver {
  const workers = new Map<string, Worker>();
  const idle = makeWaiters();
  const closing = new AbortController();
  const parts = { ...given, afters: makeAfters(given, closing.signal) };

  async function work(stack: StackName, worker: Worker): Promise<void> {
    const key = stackKey(stack);
    let attempt = 0;
    do {
      const { isRestoring: restore, row: written } = worker;
      Object.assign(worker, nextPass());
      const signal = AbortSignal.any([worker.abort.signal, closing.signal]);
      // What cannot be read is found out by the pass that follows.
      const row = written ?? (await parts.store.deployment(stack).catch(() => null));
      // Not within a slot: many that wait there would keep out whom they wait for.
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
