import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import type { OrderOf } from "../order.ts";
import type { Run } from "../run.ts";
import type { Schedules } from "./schedules.ts";
import type { Job, RunStore, ScheduleMark } from "../store.ts";
import { candidateOf, type Candidate } from "../dispatch/admission.ts";
import type { DueBatch, Started } from "../dispatch/ahead.ts";
import { makeAlarm } from "../dispatch/alarm.ts";
import { activeSchedules, digestOf, markOf, type Entry } from "./entry.ts";
import { firstLook, lookAfter, spanOf, wentBack } from "./look.ts";
import { leadMs, Preparation } from "./preparation.ts";

interface CalendarParts {
  readonly store: Pick<RunStore, "marks" | "keepMarks" | "accept" | "know" | "prepare" | "dropPrepared">;
  readonly schedules: Schedules;
  readonly accept: (candidates: readonly Candidate[], marks: readonly ScheduleMark[]) => Promise<readonly Run[]>;
  readonly orderOf: OrderOf;
  readonly startAhead: (batches: readonly DueBatch[]) => Promise<Started>;
  /** Which of a job's schedules its target fires. */
  readonly firedBy: (job: Job) => ReadonlySet<string>;
  readonly newId: () => string;
  readonly many?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A time of a schedule. */
export interface DueTime {
  readonly schedule: string;
  readonly at: Date;
}

interface StartedTime extends DueTime {
  /** A stack's key. */
  readonly job: string;
  readonly accepted: Promise<unknown>;
}

const maxAtOnce = 2_000;
const retryMs = 5_000;

/** Fires schedules: each time of each of them becomes a run once. */
export class Calendar {
  readonly #parts: CalendarParts;
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #preparation: Preparation;
  readonly #alarm;
  /** Rings when something may be to be prepared. */
  readonly #soonAlarm;
  /** By their ids, the runs that were started and are not accepted yet. */
  readonly #started = new Map<string, StartedTime>();
  #firing: Promise<void> = Promise.resolve();
  #fireCount = 0;

  constructor(parts: CalendarParts) {
    this.#parts = parts;
    this.#alarm = makeAlarm(parts.clock);
    this.#soonAlarm = makeAlarm(parts.clock);
    const candidateOf = (entry: Entry, time: Date): Candidate => this.#candidateOf(entry, time);
    this.#preparation = new Preparation({ ...parts, candidateOf });
  }

  /** Takes up the schedules of all jobs, as `take` does with one. */
  async takeAll(jobs: readonly Job[]): Promise<void> {
    const marks = Map.groupBy(await this.#parts.store.marks(), ({ stack }) => stackKey(stack));
    const unmarked: ScheduleMark[] = [];
    for (const job of jobs)
      unmarked.push(...(await this.#takeUp(job.stack, job, marks.get(stackKey(job.stack)) ?? [])));
    await this.#mark(unmarked);
    await this.#parts.store.know(jobs.filter((job) => activeSchedules(job).length > 0));
  }

  /** Takes a job's schedules as they are now; null: the job is gone. */
  async take(stack: StackName, job: Job | null): Promise<void> {
    const { store } = this.#parts;
    await this.#mark(await this.#takeUp(stack, job, await this.#marksOf(stack)));
    if (job && activeSchedules(job).length > 0) await store.know([job]);
  }

  /** None of them is moved by a fire before they are made use of. */
  async #marksOf(stack: StackName): Promise<readonly ScheduleMark[]> {
    for (;;) {
      await this.#firing;
      const count = this.#fireCount;
      const marks = await this.#parts.store.marks(stack);
      if (count === this.#fireCount) return marks;
    }
  }

  async #mark(marks: readonly ScheduleMark[]): Promise<void> {
    if (marks.length > 0) await this.#parts.store.accept([], marks);
  }

  /** Answers the marks to be written. */
  async #takeUp(stack: StackName, job: Job | null, marks: readonly ScheduleMark[]): Promise<readonly ScheduleMark[]> {
    const { store, clock } = this.#parts;
    const kept = new Map(marks.map((mark) => [mark.schedule, mark]));
    const active = job ? activeSchedules(job).map((schedule) => ({ job, schedule })) : [];
    const others = job ? this.#parts.firedBy(job) : new Set<string>();
    const isOurs = ({ schedule }: { readonly schedule: ResolvedSchedule }): boolean => !others.has(schedule.name);
    const found = new Map(active.filter(isOurs).map((one) => [one.schedule.name, one]));
    const entries = [...found.values()].map(({ job: of, schedule }): Entry => {
      const digest = digestOf(schedule);
      const mark = kept.get(schedule.name);
      const now = clock.now();
      const look = mark?.digest === digest ? { until: mark.until, passed: mark.passed, isBack: false } : firstLook(now);
      return { job: of, schedule, digest, look: wentBack(look, now), nextMs: 0, prepared: null };
    });
    const unmarked = entries.filter(({ schedule, digest }) => kept.get(schedule.name)?.digest !== digest);
    if (entries.length === 0) this.#entries.delete(stackKey(stack));
    else this.#entries.set(stackKey(stack), new Map(entries.map((entry) => [entry.schedule.name, entry])));
    for (const entry of entries) this.#plan(entry);
    // What was paused or is gone has no mark: when it comes back it fires from then on.
    const names = active.map(({ schedule }) => schedule.name);
    if ([...kept.keys()].some((name) => !names.includes(name))) await store.keepMarks(stack, names);
    return unmarked.map(markOf);
  }

  /** Of a job, the times that have come and are not in the list of runs yet. */
  due(stack: StackName): readonly DueTime[] {
    const key = stackKey(stack);
    const entries = [...(this.#entries.get(key)?.values() ?? [])].filter(({ nextMs }) => nextMs <= this.#nowMs());
    const waiting = entries.map(({ schedule, nextMs }) => ({ schedule: schedule.name, at: new Date(nextMs) }));
    return [...[...this.#started.values()].filter(({ job }) => job === key), ...waiting];
  }

  /** Resolves once a run is accepted that was started before. */
  async accepted(run: string): Promise<void> {
    await this.#started.get(run)?.accepted;
  }

  /** Fires until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const ring = (): Promise<void> => (this.#firing = this.#fireOrRetry());
    const prepare = async (): Promise<void> => {
      await this.#preparation.prepare(this.#all());
      this.#expectSoon(this.#all().filter(({ nextMs }) => nextMs > this.#nowMs() + leadMs));
    };
    await Promise.all([
      this.#alarm.run({ ring, wentBack: () => this.#wentBack() }, signal),
      this.#soonAlarm.run({ ring: prepare, wentBack: () => Promise.resolve() }, signal),
    ]);
  }

  async #fireOrRetry(): Promise<void> {
    const { clock, log } = this.#parts;
    this.#fireCount += 1;
    try {
      await this.#fire();
    } catch (error) {
      log.error({ error: messageOf(error) }, "schedules could not be fired; they are tried again");
      this.#alarm.expect("", new Date(clock.now().getTime() + retryMs));
    }
  }

  /** What became a run does not do so again; what was passed over meanwhile has its time still before it. */
  async #wentBack(): Promise<void> {
    const now = this.#parts.clock.now();
    for (const entry of this.#all()) {
      entry.look = wentBack(entry.look, now);
      this.#plan(entry);
    }
  }

  #all(): readonly Entry[] {
    return [...this.#entries.values()].flatMap((ofJob) => [...ofJob.values()]);
  }

  #plan(entry: Entry): void {
    this.#goOn(entry, entry.look, this.#nextOf(entry)?.getTime() ?? Number.POSITIVE_INFINITY);
  }

  #goOn(entry: Entry, look: Entry["look"], nextMs: number): void {
    entry.look = look;
    entry.nextMs = nextMs;
    entry.prepared = null;
    this.#expect([entry]);
    this.#expectSoon([entry]);
  }

  #expect(entries: readonly Entry[]): void {
    const nextMs = leastNextMs(entries);
    if (nextMs < Number.POSITIVE_INFINITY) this.#alarm.expect("", new Date(nextMs));
  }

  /** Once in a second at most, and not when a second begins: that is when most of them are due. */
  #expectSoon(entries: readonly Entry[]): void {
    const soonMs = Math.max(leastNextMs(entries) - leadMs, this.#nowMs());
    if (soonMs < Number.POSITIVE_INFINITY) {
      this.#soonAlarm.expect("", new Date(Math.ceil((soonMs - 500) / 1_000) * 1_000 + 500));
    }
  }

  #nextOf({ look, schedule }: Entry): Date | undefined {
    const { schedules } = this.#parts;
    const { passed, isBack, until } = look;
    const [again] = passed && isBack ? schedules.upcoming(schedule, passed.after, 1) : [];
    return passed && again && again <= passed.until ? again : schedules.upcoming(schedule, until, 1)[0];
  }

  async #fire(): Promise<void> {
    const now = this.#parts.clock.now();
    const due = this.#all().filter(({ nextMs }) => nextMs <= now.getTime());
    const left = await this.#startAhead(due, now);
    for (let first = 0; first < left.length; first += maxAtOnce) {
      await this.#fireSome(left.slice(first, first + maxAtOnce), now);
    }
    this.#expect(this.#all());
  }

  /** Starts what was prepared and may start. Answers the others, once those are accepted. */
  async #startAhead(due: readonly Entry[], now: Date): Promise<readonly Entry[]> {
    const batches = await this.#preparation.due(due, now);
    if (batches.length === 0) return due;
    const { started, accepted } = await this.#parts.startAhead(batches).catch((error: unknown) => {
      // Whether they were released is not known: they are dropped before their times are looked at again.
      for (const entry of due) entry.prepared = null;
      throw error;
    });
    this.#preparation.close(batches);
    const left: Entry[] = [];
    for (const entry of due) {
      const { prepared, look, nextMs } = entry;
      if (!prepared || !started.has(prepared.candidate.id)) left.push(entry);
      else {
        const at = new Date(nextMs);
        this.#started.set(prepared.candidate.id, {
          job: stackKey(entry.job.stack),
          schedule: entry.schedule.name,
          at,
          accepted,
        });
        this.#goOn(entry, { ...look, until: at, isBack: false }, prepared.followingMs);
      }
    }
    await accepted.finally(() => this.#started.clear());
    return left;
  }

  async #fireSome(due: readonly Entry[], now: Date): Promise<void> {
    const { schedules, accept, log } = this.#parts;
    const fired = due.map((entry) => {
      const span = spanOf(entry.look, now);
      const found = schedules.due(entry.schedule, span);
      return { entry, ...found, look: lookAfter(entry.look, span, found) };
    });
    await accept(
      fired.flatMap(({ entry, times }) => times.map((time) => this.#candidateOf(entry, time))),
      fired.map(({ entry, look }) => markOf({ ...entry, look })),
    );
    for (const { entry, missed, look } of fired) {
      const told = { job: stackKey(entry.job.stack), schedule: entry.schedule.name, missed };
      if (missed > 0) log.info(told, "times of a schedule were missed and are not made up for");
      entry.look = look;
      this.#plan(entry);
    }
  }

  #nowMs(): number {
    return this.#parts.clock.now().getTime();
  }

  #candidateOf({ job, schedule }: Entry, time: Date): Candidate {
    const { schedules, newId, clock } = this.#parts;
    const key = `${stackKey(job.stack)}/${schedule.name}/${time.toISOString()}`;
    return candidateOf(job, {
      id: newId(),
      origin: { by: "schedule", schedule: schedule.name, time },
      parameters: schedule.parameters,
      dueAt: new Date(time.getTime() + schedules.jitterMs(schedule, key)),
      acceptedAt: clock.now(),
    });
  }
}

const leastNextMs = (entries: readonly Entry[]): number =>
  entries.reduce((least, { nextMs }) => Math.min(least, nextMs), Number.POSITIVE_INFINITY);
