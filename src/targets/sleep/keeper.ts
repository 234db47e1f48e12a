import { backoffMs } from "../../core/waiting/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { makeSlots } from "../../core/waiting/slots.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Upstream, WakeFailure } from "../route.ts";

/** One target's way to put programs to sleep. Each may be called again after any interruption. */
export interface Sleeper {
  /** Ends what answers there; false where it is not in a state to sleep. Nothing is under way to it any more. */
  sleep(place: SleepPlace, signal: AbortSignal): Promise<boolean>;
  /** Resolves once it answers again, at the same upstreams; what is awake already is fine. Rejects with the reason. */
  wake(place: SleepPlace, signal: AbortSignal): Promise<void>;
}

export interface SleepPlace {
  readonly stack: StackName;
  /** What the deployment's routes lead to. */
  readonly upstreams: readonly Upstream[];
  /** How long a start may take. */
  readonly startTimeoutSeconds: number;
}

/** A deployment that something is to be done about. */
export interface Sleepy extends SleepPlace {
  readonly stage: "idle" | "falling" | "asleep" | "waking";
  /** A request waits for it. */
  readonly isAsked: boolean;
  /** Its file does not let it sleep any more. */
  readonly isBarred: boolean;
  readonly failure: WakeFailure | null;
}

/** Who sleeps, kept over the end of any process. */
export interface SleepBook {
  /** Those that have been idle for long enough, those whose sleep is half done, and those that are to be woken. */
  due(): Promise<readonly Sleepy[]>;
  /** From here on requests wait. False: it was used meanwhile, or its routes changed. */
  fall(stack: StackName): Promise<boolean>;
  isAsked(stack: StackName): Promise<boolean>;
  /** Nothing runs any more. False: its routes do not wait for that, for somebody else has woken it. */
  settle(stack: StackName): Promise<boolean>;
  rouse(stack: StackName): Promise<void>;
  /** Lets the requests that wait go on. */
  awake(stack: StackName): Promise<void>;
  fail(stack: StackName, failure: WakeFailure): Promise<void>;
}

/** Asks the entrance. */
export interface Quiet {
  /**
   * Resolves once every new request for the deployment waits and none is under way, or when `timeoutMs` has passed;
   * answers how many are under way.
   */
  quiet(stack: StackName, options: { timeoutMs: number; signal: AbortSignal }): Promise<number>;
}

interface Parts {
  readonly book: SleepBook;
  readonly quiet: Quiet;
  /** Null: no target of this server has it. */
  readonly sleeperOf: (place: SleepPlace) => Sleeper | null;
  /** Whether an apply is under way, which decides by itself what runs. */
  readonly isBusy: (stack: StackName) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface SleepKeeper {
  /** Looks at once: somebody waits. */
  look(): void;
  /** Looks now and then until the signal aborts; resolves when all that it began has ended. */
  run(): Promise<void>;
}

const tickMs = 1_000;
const quietTimeoutMs = 3_000;
const fallingAtOnce = 4;
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

/** What is being done about one deployment. */
interface Tending {
  readonly done: Promise<void>;
  readonly abort: AbortController;
}

/** Puts to sleep what nobody asks for, and wakes what somebody asks for. */
export function makeSleepKeeper(parts: Parts): SleepKeeper {
  const { book, clock, log, signal } = parts;
  const tended = new Map<string, Tending>();
  const falls = makeSlots({ running: fallingAtOnce });
  let looking: Promise<void> | null = null;
  let isWanted = false;

  async function lookOnce(): Promise<void> {
    while (isWanted && !signal.aborted) {
      isWanted = false;
      const due = await book.due();
      const keys = new Set(due.map(({ stack }) => stackKey(stack)));
      // Its routes lead elsewhere by now: what it waits for may never come.
      for (const [key, { abort }] of tended) if (!keys.has(key)) abort.abort(new Error("nothing is due any more"));
      for (const sleepy of due) begin(sleepy);
    }
  }

  function begin(sleepy: Sleepy): void {
    const key = stackKey(sleepy.stack);
    if (tended.has(key)) return;
    const abort = new AbortController();
    const own = AbortSignal.any([signal, abort.signal]);
    const done = tend({ ...parts, signal: own }, sleepy, falls)
      .catch((error: unknown) => {
        if (!own.aborted) log.error({ stack: key, error: messageOf(error) }, "sleep could not be kept");
      })
      .then((isDone) => {
        tended.delete(key);
        // What was asked for meanwhile was passed over.
        if (isDone) look();
      });
    tended.set(key, { done, abort });
  }

  function look(): void {
    isWanted = true;
    looking ??= lookOnce()
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, "who is to sleep or wake could not be read"))
      .finally(() => {
        looking = null;
        if (isWanted && !signal.aborted) look();
      });
  }

  return {
    look,
    async run() {
      while (!signal.aborted) {
        look();
        await clock.sleep(tickMs, signal).catch(() => undefined);
      }
      await looking;
      await Promise.all([...tended.values()].map(({ done }) => done));
    },
  };
}

/** Answers whether anything was done: what failed or has to wait is for the next tick. */
async function tend(parts: Parts, sleepy: Sleepy, falls: ReturnType<typeof makeSlots>): Promise<boolean> {
  const { stage, isAsked, isBarred } = sleepy;
  if (stage === "idle") return falls.run(() => fallAsleep(parts, sleepy));
  if (stage === "falling" && !isAsked && !isBarred) return falls.run(() => goOnFalling(parts, sleepy));
  return isAsked || isBarred || stage === "waking" ? wake(parts, sleepy) : false;
}

async function fallAsleep(parts: Parts, sleepy: Sleepy): Promise<boolean> {
  const { book, isBusy } = parts;
  if (isBusy(sleepy.stack) || !parts.sleeperOf(sleepy) || !(await book.fall(sleepy.stack))) return false;
  return goOnFalling(parts, sleepy);
}

async function goOnFalling(parts: Parts, sleepy: Sleepy): Promise<boolean> {
  const { book, quiet, log, signal } = parts;
  const { stack } = sleepy;
  const underWay = await quiet.quiet(stack, { timeoutMs: quietTimeoutMs, signal });
  const isWanted = underWay > 0 || (await book.isAsked(stack));
  const isAsleep = !isWanted && ((await parts.sleeperOf(sleepy)?.sleep(sleepy, signal)) ?? false);
  if (!isAsleep) return wake(parts, sleepy);
  if (!(await book.settle(stack))) return wake(parts, sleepy);
  log.info({ stack: stackKey(stack) }, "deployment fell asleep");
  return true;
}

async function wake(parts: Parts, sleepy: Sleepy): Promise<boolean> {
  const { book, clock, log, signal } = parts;
  const { stack, failure } = sleepy;
  const startedMs = clock.now().getTime();
  if (failure && startedMs < Date.parse(failure.retryAt)) return false;
  // Said beside the start rather than before it: whoever waits has waited long enough.
  const roused = book.rouse(stack);
  roused.catch(() => undefined);
  try {
    await parts.sleeperOf(sleepy)?.wake(sleepy, signal);
  } catch (error) {
    signal.throwIfAborted();
    await roused;
    await book.fail(stack, failureOf(error, { before: failure?.count ?? 0, now: clock.now() }));
    log.info({ stack: stackKey(stack), reason: messageOf(error) }, "deployment did not wake");
    return true;
  }
  await roused;
  await book.awake(stack);
  log.info({ stack: stackKey(stack), tookMs: clock.now().getTime() - startedMs }, "deployment awake");
  return true;
}

function failureOf(error: unknown, { before, now }: { before: number; now: Date }): WakeFailure {
  const count = before + 1;
  const delayMs = backoffMs({ failures: count, firstMs: firstRetryMs, maxMs: maxRetryMs });
  return { reason: messageOf(error), count, retryAt: new Date(now.getTime() + delayMs).toISOString() };
}
