import type { ResolvedSchedule } from "../../spec/resolved.ts";
import { onTimeMs, type Due, type Schedules, type Span } from "./schedules.ts";

const maxMissed = 10_000;

export const schedules: Schedules = {
  upcoming: intervalTimes,
  due: dueTimes,
  jitterMs: () => 0,
};

function intervalTimes({ when, anchor }: ResolvedSchedule, after: Date, count: number): readonly Date[] {
  if (when.by !== "interval") return [];
  const stepMs = when.intervalSeconds * 1_000;
  const anchorMs = anchor === null ? 0 : Date.parse(anchor);
  const first = Math.floor((after.getTime() - anchorMs) / stepMs) + 1;
  return Array.from({ length: count }, (_, index) => new Date(anchorMs + (first + index) * stepMs));
}

function dueTimes(schedule: ResolvedSchedule, { after, until }: Span): Due {
  const times = intervalTimes(schedule, after, maxMissed).filter((time) => time <= until);
  const isMet = (time: Date): boolean => until.getTime() - time.getTime() < onTimeMs;
  const missed = times.filter((time) => !isMet(time));
  const met = times.filter(isMet);
  const madeUp = schedule.catchUp === "all" ? missed : schedule.catchUp === "latest" ? missed.slice(-1) : [];
  const runs = schedule.catchUp === "latest" && met.length > 0 ? met : [...madeUp, ...met];
  return { times: runs, missed: times.length - runs.length };
}
