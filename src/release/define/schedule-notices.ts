import type { ResolvedSchedule } from "../../spec/resolved.ts";
import { makeNextTime } from "../../spec/schedule/next-time.ts";
import type { PauseView } from "../views.ts";

/** What people have paused of a job. */
export interface JobPauses {
  /** All of it; null when it is not. */
  readonly job: PauseView | null;
  /** By their names. */
  readonly schedules: ReadonlyMap<string, PauseView>;
}

const shown = 3;

/**
 * When the schedules of a job will start runs: a line for each, in their order. What a person
 * has paused does not, whatever the file says.
 */
export function scheduleNotices(
  schedules: readonly ResolvedSchedule[],
  pauses: JobPauses,
  now: Date,
): readonly string[] {
  if (schedules.length > 0 && pauses.job) return [`${paused(pauses.job)}: no schedule runs until it is resumed`];
  return schedules.map((schedule) => {
    const pause = pauses.schedules.get(schedule.name);
    if (pause) return `${schedule.name} is ${paused(pause)}: it does not run until it is resumed`;
    return `${schedule.name} runs ${timesOf(schedule, now)}`;
  });
}

const paused = ({ by, reason }: PauseView): string => `paused by ${by}${reason === "" ? "" : ` (${reason})`}`;

function timesOf(schedule: ResolvedSchedule, now: Date): string {
  const next = makeNextTime(schedule);
  const times: string[] = [];
  for (let time = next(now.getTime()); time !== null && times.length < shown; time = next(time)) {
    times.push(new Date(time).toISOString().replace(".000Z", "Z"));
  }
  return times.length === 0
    ? "never again"
    : `at ${times.join(", ")}${times.length < shown ? ", and then no more" : ""}`;
}
