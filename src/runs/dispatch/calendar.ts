import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import type { Run } from "../run.ts";
import type { Schedules } from "../schedules/schedules.ts";
import type { Job, RunStore, ScheduleMark } from "../store.ts";
import { candidateOf, type Candidate } from "./admission.ts";
import { makeAlarm } from "./alarm.ts";
import { firstLook, lookAfter, spanOf, wentBack, type Look } from "./look.ts";

interface CalendarParts {
  readonly store: Pick<RunStore, "marks" | "keepMarks" | "accept" | "know">;
  readonly schedules: Schedules;
  readonly accept: (candidates: readonly Candidate[], marks: readonly ScheduleMark[]) => Promise<readonly Run[]>;
  /** Which of a job's schedules its target fires. */
  readonly firedBy: (job: Job) => ReadonlySet<string>;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry {
  readonly job: Job;
  readonly schedule: ResolvedSchedule;
  readonly digest: string;
  look: Look;
  /** Infinity where it fires no more. */
  nextMs: number;
}

const maxAtOnce = 2_000;
const retryMs = 5_000;

/** Fires schedules: each time of each of them becomes a run once. */
export class Calendar {
  readonly #parts: CalendarParts;
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #alarm;

  constructor(parts: CalendarParts) {
    this.#parts = parts;
    this.#alarm = makeAlarm(parts.clock);
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
    await this.#mark(await this.#takeUp(stack, job, await store.marks(stack)));
    if (job && activeSchedules(job).length > 0) await store.know([job]);
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
      return { job: of, schedule, digest, look: wentBack(look, now), nextMs: 0 };
    });
    const unmarked = entries.filter(({ schedule, digest }) => kept.get(schedule.name)?.digest !== digest);
    // What was paused or is gone has no mark: when it comes back it fires from then on.
    const names = active.map(({ schedule }) => schedule.name);
    if ([...kept.keys()].some((name) => !names.includes(name))) await store.keepMarks(stack, names);
    if (entries.length === 0) this.#entries.delete(stackKey(stack));
    else this.#entries.set(stackKey(stack), new Map(entries.map((entry) => [entry.schedule.name, entry])));
    for (const entry of entries) this.#plan(entry);
    return unmarked.map(markOf);
  }

  /** Fires until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const ring = (): Promise<void> =>
      this.#fire().catch((error: unknown) => {
        log.error({ error: messageOf(error) }, "schedules could not be fired; they are tried again");
        this.#alarm.expect("", new Date(clock.now().getTime() + retryMs));
      });
    return this.#alarm.run({ ring, wentBack: () => this.#wentBack() }, signal);
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
    const next = this.#nextOf(entry);
    entry.nextMs = next?.getTime() ?? Number.POSITIVE_INFINITY;
    if (next) this.#alarm.expect("", next);
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
    for (let first = 0; first < due.length; first += maxAtOnce) {
      await this.#fireSome(due.slice(first, first + maxAtOnce), now);
    }
    const nextMs = this.#all().reduce((least, entry) => Math.min(least, entry.nextMs), Number.POSITIVE_INFINITY);
    if (nextMs < Number.POSITIVE_INFINITY) this.#alarm.expect("", new Date(nextMs));
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

const markOf = ({ job, schedule, digest, look: { until, passed } }: Entry): ScheduleMark => ({
  stack: job.stack,
  schedule: schedule.name,
  digest,
  until,
  passed,
});

/** Those that fire: neither the file nor a person says otherwise. */
export function activeSchedules({ workload: { spec }, pause, schedulePauses }: Job): readonly ResolvedSchedule[] {
  if (spec.state !== "running" || pause !== null) return [];
  return spec.schedules.filter(({ name, isActive }) => isActive && !schedulePauses.has(name));
}

/** Of all that says when it fires: a change of anything else leaves it where it is. */
export function digestOf(schedule: ResolvedSchedule): string {
  const { parameters: _parameters, description: _description, catchUp: _catchUp, ...when } = schedule;
  return createHash("sha256").update(JSON.stringify(when)).digest("hex").slice(0, 16);
}
