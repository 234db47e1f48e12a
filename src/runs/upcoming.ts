import { activeSchedules } from "./schedules/entry.ts";
import type { UpcomingRun } from "./runs.ts";
import type { TargetSchedules } from "../targets/target.ts";
import type { DueTime } from "./schedules/calendar.ts";
import type { Schedules } from "./schedules/schedules.ts";
import type { Job } from "./store.ts";

const most = 100;
const leastOfEach = 3;
const daysAhead = 100;

interface Parts {
  readonly schedules: Schedules;
  readonly targetSchedules: TargetSchedules;
  /** Times that have come and are not in the list of runs yet. */
  readonly due: readonly DueTime[];
}

/** The next runs of a job's schedules: Prefect's measure of at most 100, at least 3 of each, within 100 days. */
export function upcomingRuns({ schedules, targetSchedules, due }: Parts, job: Job, now: Date): readonly UpcomingRun[] {
  const active = activeSchedules(job);
  const others = targetSchedules.namesOf(job.workload);
  const horizon = new Date(now.getTime() + daysAhead * 24 * 60 * 60 * 1_000);
  const dueOf = (name: string): readonly Date[] => due.filter((one) => one.schedule === name).map(({ at }) => at);
  const runs = active.flatMap((schedule) =>
    [...dueOf(schedule.name), ...schedules.upcoming(schedule, now, most)].map((at, index) => ({
      schedule: schedule.name,
      at,
      parameters: schedule.parameters,
      index,
    })),
  );
  const byTime = runs.sort((a, b) => a.at.getTime() - b.at.getTime());
  const shown = byTime.filter(({ at, index }) => at <= horizon || index < leastOfEach);
  // What is far away is shown of each before the rest of what is near.
  const kept = new Set(
    [...shown].sort((a, b) => Number(a.index >= leastOfEach) - Number(b.index >= leastOfEach)).slice(0, most),
  );
  return shown
    .filter((run) => kept.has(run))
    .map(({ schedule, at, parameters }) => ({ schedule, at, parameters, isFiredByTarget: others.has(schedule) }));
}
