import { backoffMs } from "../../core/waiting/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import type { Fired, TargetSchedules } from "../../targets/target.ts";
import { candidateOf } from "../dispatch/admission.ts";
import { activeSchedules, digestOf } from "../schedules/entry.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import type { JobBook } from "../job-book.ts";
import type { Job, RunStore, ScheduleMark } from "../store.ts";

interface Parts {
  readonly store: Pick<RunStore, "marks">;
  readonly target: TargetSchedules;
  readonly jobs: Pick<JobBook, "find" | "all">;
  readonly accept: Dispatcher["accept"];
  readonly clock: Clock;
  readonly log: Log;
}

// An informer's news may be late or lost; a list is not.
const lookMs = 60_000;
const askMs = 30_000;
// A server does not wait for a cluster that is away.
const beginMs = 5_000;
const mostTries = 8;

/** Schedules that targets fire by themselves: what they have fired becomes runs, and whether they fire is told to them. */
export function makeTargetSchedules(parts: Parts) {
  const { target, jobs, log } = parts;
  const looks = makeLooks(parts);
  return {
    /** Which of a job's schedules its target fires. */
    namesOf: (job: Job): ReadonlySet<string> => target.namesOf(job.workload),
    /** Before the server's own calendar takes the job as it is now. A target that does not answer is asked again later. */
    async take(stack: StackName): Promise<void> {
      await looks.bring(stack, AbortSignal.timeout(askMs));
    },
    /** What was fired while no server was there, of all jobs. */
    async begin(): Promise<void> {
      // A server that ended as the schedules became its own may not have heard of all.
      const mayBeTheirs = (job: Job): boolean =>
        isFired(target, { ...job, workload: { ...job.workload, cronJobs: true } });
      if (!jobs.all().some(mayBeTheirs)) return;
      await target
        .fired(null, AbortSignal.timeout(beginMs))
        .then((fired) => take(parts, fired))
        .catch((error: unknown) => log.warn({ error: messageOf(error) }, "what targets have fired cannot be read yet"));
    },
    /** Until the signal aborts. */
    async run(signal: AbortSignal): Promise<void> {
      for (let failures = 0; !signal.aborted;) {
        let isDone = true;
        for (const { stack } of jobs.all()) isDone = (await looks.bring(stack, signal)) && isDone;
        failures = isDone ? 0 : Math.min(failures + 1, mostTries);
        await looks.rest(isDone ? lookMs : backoffMs({ failures, firstMs: 1_000, maxMs: lookMs }), signal);
      }
      looks.close();
    },
  };
}

/** Looks at one job after the other, and at each of them once at a time. */
function makeLooks(parts: Parts) {
  const { store, target, jobs, clock, log } = parts;
  const inTurn = makeTurns();
  // Whose target has fired since this server began: what it fired last is asked for when it does so no more.
  const known = new Set<string>();
  let listening: (() => void) | null = null;
  let sleeping = new AbortController();

  const tell = (stack: StackName, error: unknown): void => {
    log.warn(
      { job: stackKey(stack), error: messageOf(error) },
      "a target's schedules cannot be brought up to date yet",
    );
    sleeping.abort();
  };
  const onFired = (fired: Fired): void => {
    const { stack } = fired;
    void inTurn(stackKey(stack), () => take(parts, [fired])).catch((error: unknown) => tell(stack, error));
  };
  async function look(stack: StackName, signal: AbortSignal): Promise<void> {
    const job = jobs.find(stack);
    const key = stackKey(stack);
    const isTheirs = job !== null && isFired(target, job);
    if (!job || !(isTheirs || known.has(key))) return;
    if (isTheirs) known.add(key);
    listening ??= target.onFired(onFired);
    await take(parts, await target.fired(stack, signal));
    await setAll(parts, job, await store.marks(stack), signal);
    if (!isTheirs) known.delete(key);
  }
  return {
    /** As the job is now: what was fired first, then whether it goes on. Answers whether that was done. */
    bring: (stack: StackName, signal: AbortSignal): Promise<boolean> =>
      inTurn(stackKey(stack), () => look(stack, signal)).then(
        () => true,
        (error: unknown) => {
          tell(stack, error);
          return false;
        },
      ),
    /** Until something could not be done that is to be tried again. */
    async rest(waitMs: number, signal: AbortSignal): Promise<void> {
      sleeping = new AbortController();
      await clock.sleep(waitMs, AbortSignal.any([signal, sleeping.signal])).catch(() => undefined);
    },
    close: () => listening?.(),
  };
}

const isFired = (target: TargetSchedules, job: Job): boolean => target.namesOf(job.workload).size > 0;

/** Each time becomes a run once; what is older than the schedule's mark was one before, and may be kept no more. */
async function take({ store, jobs, accept, clock }: Parts, all: readonly Fired[]): Promise<void> {
  for (const fired of Map.groupBy(all, ({ stack }) => stackKey(stack)).values()) {
    const [first] = fired;
    const job = first && jobs.find(first.stack);
    if (!job) continue;
    const marks = new Map((await store.marks(job.stack)).map((mark) => [mark.schedule, mark]));
    const schedules = new Map(job.workload.spec.schedules.map((schedule) => [schedule.name, schedule]));
    const fresh = fired.filter(({ schedule, time }) => {
      const mark = marks.get(schedule);
      return schedules.has(schedule) && (mark === undefined || time > mark.until);
    });
    if (fresh.length === 0) continue;
    const candidates = fresh.map(({ id, schedule, time }) =>
      candidateOf(job, {
        id,
        origin: { by: "schedule", schedule, time },
        parameters: schedules.get(schedule)?.parameters ?? {},
        dueAt: time,
        acceptedAt: clock.now(),
      }),
    );
    const moved = fresh.flatMap(({ schedule, time }): readonly ScheduleMark[] => {
      const mark = marks.get(schedule);
      return mark ? [{ ...mark, until: time, passed: null }] : [];
    });
    // Of each schedule the latest: the times come in their order.
    const latest = [...new Map(moved.map((mark) => [mark.schedule, mark])).values()];
    await accept(candidates, latest);
  }
}

/** The server's mark is where the target begins; the mark that stays is where the server would go on. */
async function setAll(
  { target, accept, clock }: Parts,
  job: Job,
  marks: readonly ScheduleMark[],
  signal: AbortSignal,
): Promise<void> {
  const active = new Map(activeSchedules(job).map((schedule) => [schedule.name, schedule]));
  const kept = new Map(marks.map((mark) => [mark.schedule, mark]));
  for (const name of target.namesOf(job.workload)) {
    const schedule = active.get(name);
    if (!schedule) {
      await target.set(job.workload, name, null, signal);
      continue;
    }
    const digest = digestOf(schedule);
    const mark = kept.get(name);
    const until = mark?.digest === digest ? mark.until : clock.now();
    if (mark?.digest !== digest) {
      await accept([], [{ stack: job.stack, schedule: name, digest, until, passed: null }]);
    }
    await target.set(job.workload, name, until, signal);
  }
}
