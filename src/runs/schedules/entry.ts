import { createHash } from "node:crypto";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import type { PreparedCandidate } from "../dispatch/ahead.ts";
import type { Job, ScheduleMark } from "../store.ts";
import type { Look } from "./look.ts";

/** A schedule that fires, of a job as it is now: another deploy makes another entry. */
export interface Entry {
  readonly job: Job;
  readonly schedule: ResolvedSchedule;
  readonly digest: string;
  look: Look;
  /** Infinity where it fires no more. */
  nextMs: number;
  /** The run of `nextMs`, where it was written down; null again as soon as anything of this entry has changed. */
  prepared: Prepared | null;
}

export interface Prepared {
  readonly batch: Batch;
  readonly candidate: PreparedCandidate;
  /** The schedule's time after it; Infinity for none. */
  readonly followingMs: number;
}

/** Runs that were written down together. */
export interface Batch {
  readonly id: string;
  readonly dueMs: number;
  /** Of all its runs, whatever became of their entries since. */
  readonly runs: readonly string[];
}

export const markOf = ({
  job,
  schedule,
  digest,
  look,
}: Pick<Entry, "job" | "schedule" | "digest" | "look">): ScheduleMark => ({
  stack: job.stack,
  schedule: schedule.name,
  digest,
  until: look.until,
  passed: look.passed,
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
