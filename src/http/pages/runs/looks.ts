import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import type { Runs } from "../../../runs/runs.ts";
import { chainView, runView, scheduleView, upcomingView } from "../../../runs/view.ts";
import type { ResolvedSchedule } from "../../../spec/resolved.ts";
import { durationText } from "./figures.ts";
import type { JobProps } from "./job.tsx";

const newestRuns = 10;
const nextRuns = 10;

/** What a job's page shows of its runs; null while the job is not deployed yet. */
export async function lookAtJob(runs: Runs, stack: StackName): Promise<JobProps["job"] | null> {
  if (!isDeployed(runs, stack)) return null;
  const { repository, environment, deployment: job } = stack;
  const times = new Map(runs.job(stack).workload.spec.schedules.map((schedule) => [schedule.name, whenText(schedule)]));
  // Asked first: what becomes a run between is in both.
  const upcoming = runs.upcoming(stack);
  const newest = await runs.runs({ repository, environment, job }, { limit: newestRuns });
  return {
    schedules: runs.schedules(stack).map((one) => ({ ...scheduleView(one), when: times.get(one.name) ?? "" })),
    upcoming: upcoming.slice(0, nextRuns).map(upcomingView),
    chain: chainView(runs.chain(stack)),
    runs: newest.map(runView),
  };
}

/** A schedule's rule as its file has it. */
export function whenText({ when, timezone }: Pick<ResolvedSchedule, "when" | "timezone">): string {
  if (when.by === "interval") return `every ${durationText(when.intervalSeconds * 1_000)}`;
  return `${when.by === "cron" ? when.cron : when.rrule}, ${timezone}`;
}

function isDeployed(runs: Runs, stack: StackName): boolean {
  try {
    runs.job(stack);
    return true;
  } catch (error) {
    if (error instanceof WaybillError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}
