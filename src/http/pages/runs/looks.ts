import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import type { Runs } from "../../../runs/runs.ts";
import type { Job } from "../../../runs/store.ts";
import { runView, scheduleView, upcomingView } from "../../../runs/view.ts";
import type { JobProps } from "./job.tsx";

const newestRuns = 10;
const nextRuns = 10;

/** What a job's page shows of its runs; null while the job is not deployed yet. */
export async function lookAtJob(runs: Runs, stack: StackName): Promise<JobProps["job"] | null> {
  if (!isDeployed(runs, stack)) return null;
  const { repository, environment, deployment: job } = stack;
  const newest = await runs.runs({ repository, environment, job }, { limit: newestRuns });
  return {
    schedules: runs.schedules(stack).map(scheduleView),
    upcoming: runs.upcoming(stack).slice(0, nextRuns).map(upcomingView),
    runs: newest.map(runView),
  };
}

const isDeployed = (runs: Runs, stack: StackName): boolean => deployedJob(runs, stack) !== null;

export function deployedJob(runs: Runs, stack: StackName): Job | null {
  try {
    return runs.job(stack);
  } catch (error) {
    if (error instanceof WaybillError && error.code === "NOT_FOUND") return null;
    throw error;
  }
}
