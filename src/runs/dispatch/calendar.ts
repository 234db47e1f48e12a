import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import type { Run } from "../run.ts";
import type { Schedules } from "../schedules/schedules.ts";
import type { Job, RunStore, ScheduleMark } from "../store.ts";
import type { Candidate } from "./admission.ts";
import { makeAlarm } from "./alarm.ts";

interface CalendarParts {
  readonly store: Pick<RunStore, "marks" | "keepMarks" | "accept">;
  readonly schedules: Schedules;
  readonly accept: (candidates: readonly Candidate[], marks: readonly ScheduleMark[]) => Promise<readonly Run[]>;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Entry {
  readonly job: Job;
  readonly schedule: ResolvedSchedule;
  readonly digest: string;
  /** Its times up to here were fired or passed over. */
  until: Date;
  /** Infinity where it fires no more. */
  nextMs: number;
}

/** Fires schedules: each time of each of them becomes a run once. */
export interface Calendar {
  /** Takes a job's schedules as they are now; null: the job is gone. */
  take(stack: StackName, job: Job | null): Promise<void>;
  /** Fires until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

const maxAtOnce = 2_000;
const retryMs = 5_000;

export function makeCalendar(parts: CalendarParts): Calendar {
  const { store, schedules, clock, log } = parts;
  const entries = new Map<string, Map<string, Entry>>();
  const alarm = makeAlarm(clock);

  function plan(entry: Entry): void {
    const [next] = schedules.upcoming(entry.schedule, entry.until, 1);
    entry.nextMs = next?.getTime() ?? Number.POSITIVE_INFINITY;
    if (next) alarm.expect("", next);
  }

  async function take(stack: StackName, job: Job | null): Promise<void> {
    const key = stackKey(stack);
    const active = job ? activeSchedules(job) : [];
    const kept = new Map((await store.marks(stack)).map((mark) => [mark.schedule, mark]));
    const now = clock.now();
    const found = new Map<string, Entry>();
    const fresh: ScheduleMark[] = [];
    for (const schedule of job ? active : []) {
      if (!job) break;
      const digest = digestOf(schedule);
      const mark = kept.get(schedule.name);
      const until = mark?.digest === digest ? mark.until : now;
      if (mark?.digest !== digest) fresh.push({ stack, schedule: schedule.name, digest, until });
      found.set(schedule.name, { job, schedule, digest, until, nextMs: 0 });
    }
    // What was paused or is gone has no mark: when it comes back it fires from then on.
    if (kept.size > 0) await store.keepMarks(stack, [...found.keys()]);
    if (fresh.length > 0) await store.accept([], fresh);
    if (found.size === 0) return void entries.delete(key);
    entries.set(key, found);
    for (const entry of found.values()) plan(entry);
  }

  async function fire(): Promise<void> {
    const now = clock.now();
    const due = [...entries.values()]
      .flatMap((ofJob) => [...ofJob.values()])
      .filter(({ nextMs }) => nextMs <= now.getTime());
    for (let first = 0; first < due.length; first += maxAtOnce)
      await fireSome(due.slice(first, first + maxAtOnce), now);
    const nextMs = [...entries.values()]
      .flatMap((ofJob) => [...ofJob.values()])
      .reduce((least, entry) => Math.min(least, entry.nextMs), Number.POSITIVE_INFINITY);
    if (nextMs < Number.POSITIVE_INFINITY) alarm.expect("", new Date(nextMs));
  }

  async function fireSome(due: readonly Entry[], now: Date): Promise<void> {
    const fired = due.map((entry) => ({ entry, ...schedules.due(entry.schedule, { after: entry.until, until: now }) }));
    const candidates = fired.flatMap(({ entry, times }) => times.map((time) => candidateOf(entry, time)));
    const marks = due.map(({ job, schedule, digest }) => ({
      stack: job.stack,
      schedule: schedule.name,
      digest,
      until: now,
    }));
    await parts.accept(candidates, marks);
    for (const { entry, missed } of fired) {
      if (missed > 0) {
        const told = { job: stackKey(entry.job.stack), schedule: entry.schedule.name, missed };
        log.info(told, "times of a schedule were missed and are not made up for");
      }
      entry.until = now;
      plan(entry);
    }
  }

  function candidateOf({ job, schedule }: Entry, time: Date): Candidate {
    const key = `${stackKey(job.stack)}/${schedule.name}/${time.toISOString()}`;
    return {
      id: parts.newId(),
      stack: job.stack,
      name: "",
      job,
      revision: job,
      origin: { by: "schedule", schedule: schedule.name, time },
      parameters: schedule.parameters,
      dueAt: new Date(time.getTime() + schedules.jitterMs(schedule, key)),
      acceptedAt: clock.now(),
      callback: null,
    };
  }

  return {
    take,
    run: (signal) =>
      alarm.run(async () => {
        await fire().catch((error: unknown) => {
          log.error({ error: messageOf(error) }, "schedules could not be fired; they are tried again");
          alarm.expect("", new Date(clock.now().getTime() + retryMs));
        });
      }, signal),
  };
}

/** Those that fire: neither the file nor a person says otherwise. */
export function activeSchedules({ workload: { spec }, pause, schedulePauses }: Job): readonly ResolvedSchedule[] {
  if (spec.state !== "running" || pause !== null) return [];
  return spec.schedules.filter(({ name, isActive }) => isActive && !schedulePauses.has(name));
}

/** Of all that says when it fires: a change of anything else leaves it where it is. */
function digestOf(schedule: ResolvedSchedule): string {
  const { parameters: _parameters, description: _description, catchUp: _catchUp, ...when } = schedule;
  return createHash("sha256").update(JSON.stringify(when)).digest("hex").slice(0, 16);
}
