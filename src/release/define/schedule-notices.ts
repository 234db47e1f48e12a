import type { ResolvedSchedule } from "../../spec/resolved.ts";
import { makeNextTime } from "../../spec/schedule/next-time.ts";

const shown = 3;

/** When the schedules of a job will start runs: a line for each that is active, in the order of the file. */
export const scheduleNotices = (schedules: readonly ResolvedSchedule[], now: Date): readonly string[] =>
  schedules.filter(({ isActive }) => isActive).map((schedule) => `${schedule.name} runs ${timesOf(schedule, now)}`);

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
