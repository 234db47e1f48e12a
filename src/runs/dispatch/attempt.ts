import type { Clock } from "../../core/clock.ts";
import { asWaybillError, WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import {
  isFiredByTarget,
  type RunEnd,
  type RunExecutor,
  type RunStartOptions,
  type StartedRun,
} from "../../targets/run-executor.ts";
import type { OrderOf } from "../order.ts";
import { statusAt, type Revision, type Run, type RunStatus } from "../run.ts";
import { isEnded } from "../state.ts";
import type { RunChange, RunStore } from "../store.ts";
import { afterEnd, outcomeOf, retrying } from "./outcome.ts";

export interface AttemptParts {
  readonly store: Pick<RunStore, "run" | "step">;
  /** Null where the target runs no jobs, or is there no more. */
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly orderOf: OrderOf;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Told of every step that was taken. */
  readonly onStep: (run: Run) => void;
}

/** One run from `Pending` on, until nothing of it runs any more. */
export interface Attempt {
  /** Resolves with the run as it then is; null when the server stops before: the run goes on, and is adopted. */
  readonly done: Promise<Run | null>;
  /** Ends its program; the run is to be in `Cancelling` before. */
  cancel(because: string): void;
  /** The server stops: nothing more is done for it, and its program runs on. */
  letGo(): void;
  /** What its program waits for before it can start; null for nothing, or nothing that is known. */
  waitingFor(): string | null;
}

interface Course {
  readonly run: Run;
  readonly revision: Revision;
  /** Aborted when the server stops. */
  readonly closing: AbortSignal;
  /** Aborted when it is cancelled, and when the server stops. */
  readonly unwanted: AbortController;
  readonly onWaiting: (what: string | null) => void;
}

/** `adopting`: another server may have started it. */
export function beginAttempt(
  parts: AttemptParts,
  { run, revision, closing, adopting }: Omit<Course, "unwanted" | "onWaiting"> & { readonly adopting: boolean },
): Attempt {
  const unwanted = new AbortController();
  let waiting: string | null = null;
  const onWaiting = (what: string | null): void => {
    if (what === waiting) return;
    waiting = what;
    parts.onStep({ ...run, status: { ...run.status, waitingFor: what } });
  };
  const course = { run, revision, closing, unwanted, onWaiting };
  const cancel = (because: string): void => unwanted.abort(new WaybillError("CONFLICT", because));
  const letGo = (): void => unwanted.abort(closing.reason);
  if (run.status.state === "Cancelling") cancel(run.status.reason);
  if (closing.aborted) letGo();
  const take = adopting ? adopt(parts, course) : start(parts, course);
  const done = take
    .then((started) => (started ? follow(parts, course, started) : parts.store.run(run.id)))
    .catch((error: unknown) => {
      if (closing.aborted) return null;
      return fail(parts, course, asWaybillError(error));
    });
  return {
    done,
    cancel,
    letGo,
    waitingFor: () => waiting,
  };
}

function executorFor({ executorOf }: AttemptParts, { revision: { workload } }: Course): RunExecutor {
  const executor = executorOf(workload.target);
  if (executor) return executor;
  throw new WaybillError("TARGET_UNSUPPORTED", `target ${workload.target} runs no jobs, or is there no more`);
}

async function start(parts: AttemptParts, course: Course): Promise<StartedRun> {
  const { run, revision } = course;
  const order = await parts.orderOf(run, revision);
  return executorFor(parts, course).start(order, startOptions(parts, course));
}

const startOptions = ({ log }: AttemptParts, { run, closing, unwanted, onWaiting }: Course): RunStartOptions => ({
  signal: unwanted.signal,
  closing,
  onProgress: (message) => log.debug({ run: run.id, message }, "run is being prepared"),
  onWaiting,
});

/** Null: it was settled without anything that runs. */
async function adopt(parts: AttemptParts, course: Course): Promise<StartedRun | null> {
  const { run, revision } = course;
  const adopted = await executorFor(parts, course).adopt(
    await parts.orderOf(run, revision),
    startOptions(parts, course),
  );
  if (adopted.kind === "started") return adopted.started;
  const { state } = run.status;
  if (state === "Pending" && !isFired(run)) {
    const again = statusOf(parts, "Pending", "the server ended before its program was started; it is started now");
    const next = await step(parts, run, { status: again, attempt: run.attempt + 1 });
    return next && start(parts, { ...course, run: next });
  }
  const lost = "its program is gone, and nobody saw how it ended";
  await step(parts, run, {
    status: state === "Cancelling" ? statusOf(parts, "Cancelled", run.status.reason) : statusOf(parts, "Crashed", lost),
    endedAt: parts.clock.now(),
  });
  return null;
}

async function follow(parts: AttemptParts, course: Course, started: StartedRun): Promise<Run | null> {
  const { run, closing, unwanted } = course;
  const { startedAt } = started;
  const isPending = run.status.state === "Pending";
  const taken = isPending ? await step(parts, run, { status: statusOf(parts, "Running", ""), startedAt }) : null;
  const running = taken ?? (await current(parts, run));
  const stop = (): void => {
    if (!closing.aborted) void started.stop(cancelReason(unwanted.signal));
  };
  if (unwanted.signal.aborted || running.status.state === "Cancelling") stop();
  else unwanted.signal.addEventListener("abort", stop, { once: true });
  const { end, timedOutAfterSeconds } = await awaitEnd(parts, course, started);
  closing.throwIfAborted();
  return settle(parts, { ...course, run: running }, { end, timedOutAfterSeconds });
}

const cancelReason = (signal: AbortSignal): string =>
  signal.reason instanceof WaybillError ? signal.reason.message : "cancelled";

interface Ended {
  readonly end: RunEnd;
  readonly timedOutAfterSeconds: number | null;
}

/** A run's time counts from its program's start, over restarts of the server too. */
async function awaitEnd(parts: AttemptParts, course: Course, started: StartedRun): Promise<Ended> {
  const { run, revision, closing } = course;
  const { timeoutSeconds } = revision.workload.spec;
  const ended = started.ended(closing);
  // Whose Job ends it when it takes too long, that counts from the Job's start.
  if (timeoutSeconds === null || isFired(run)) {
    const end = await ended;
    return { end, timedOutAfterSeconds: end.isTimedOut ? timeoutSeconds : null };
  }
  const over = new AbortController();
  const leftMs = timeoutSeconds * 1_000 - (parts.clock.now().getTime() - started.startedAt.getTime());
  // Its time may have passed while nobody looked, and its end too: whoever took it over needs a moment to say so.
  const time = sleepLong(parts.clock, leftMs > 0 ? leftMs : adoptionMs, AbortSignal.any([closing, over.signal]));
  const isTimedOut = await Promise.race([
    ended.then(() => false),
    time.then(
      () => true,
      () => false,
    ),
  ]).finally(() => over.abort());
  if (isTimedOut) await started.stop(`it takes longer than its timeout of ${timeoutSeconds} s`);
  return { end: await ended, timedOutAfterSeconds: isTimedOut ? timeoutSeconds : null };
}

const adoptionMs = 1_000;
// Longer timers fire at once (setTimeout keeps 31 bits).
const longestTimerMs = 2 ** 31 - 1;

async function sleepLong(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= longestTimerMs) {
    await clock.sleep(Math.min(leftMs, longestTimerMs), signal);
  }
}

/** The cluster has fired it, and tries again by itself. */
const isFired = ({ id, attempt }: Run): boolean => isFiredByTarget({ run: id, attempt });

function retriesOf(run: Run, { workload: { spec } }: Revision) {
  return isFired(run) ? { ...spec.retries, limit: 0 } : spec.retries;
}

/** Writes how it ended. Somebody may have cancelled it between any two looks. */
async function settle(parts: AttemptParts, { run, revision }: Course, ended: Ended): Promise<Run> {
  const { end } = ended;
  const retries = retriesOf(run, revision);
  for (let now = run; ; now = await current(parts, run)) {
    if (isEnded(now.status.state)) return now;
    const change: RunChange =
      now.status.state === "Cancelling"
        ? { status: statusOf(parts, "Cancelled", now.status.reason), endedAt: end.endedAt, outcome: outcomeOf(end) }
        : afterEnd({ ...ended, run: now, retries, now: parts.clock.now(), random: parts.random });
    const settled = await step(parts, now, change);
    if (settled) return settled;
  }
}

/** What could not be started, or was replaced: nothing of it runs. */
async function fail(parts: AttemptParts, { run, revision, unwanted }: Course, error: WaybillError): Promise<Run> {
  const retries = retriesOf(run, revision);
  for (;;) {
    const now = await current(parts, run);
    if (isEnded(now.status.state) || now.status.state === "Retrying") return now;
    const isCancelled = now.status.state === "Cancelling";
    if (error.code === "RUN_REPLACED" && !isCancelled) {
      await step(parts, now, { status: statusOf(parts, "Cancelling", error.message) });
      continue;
    }
    if (!isCancelled) parts.log.info({ run: run.id, code: error.code, reason: error.message }, "run was not started");
    const isCrash = error.verdict === "bug" || error.code === "RUN_LOST";
    const failed = statusOf(parts, isCrash ? "Crashed" : "Failed", `not started: ${error.message}`);
    const isTriedAgain = error.verdict !== "bug" && now.retries < retries.limit && !unwanted.signal.aborted;
    const ended = {
      status: isCancelled ? statusOf(parts, "Cancelled", now.status.reason) : failed,
      endedAt: parts.clock.now(),
    };
    const change =
      isTriedAgain && !isCancelled
        ? retrying({ run: now, retries, now: parts.clock.now(), random: parts.random }, failed)
        : ended;
    const settled = await step(parts, now, change);
    if (settled) return settled;
  }
}

async function current({ store }: AttemptParts, run: Run): Promise<Run> {
  const found = await store.run(run.id);
  if (found) return found;
  throw new WaybillError("NOT_FOUND", `run ${run.id} was removed`);
}

async function step({ store, onStep }: AttemptParts, run: Run, change: RunChange): Promise<Run | null> {
  const stepped = await store.step(run.id, run.status.state, change);
  if (stepped) onStep(stepped);
  return stepped;
}

const statusOf = ({ clock }: AttemptParts, state: RunStatus["state"], reason: string): RunStatus =>
  statusAt(clock.now(), state, { reason });
