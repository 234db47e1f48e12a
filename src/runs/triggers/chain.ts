import type { Ending } from "../../spec/deployment.ts";
import type { ResolvedFollow } from "../../spec/resolved.ts";
import { pauseWords } from "../../release/workload.ts";
import type { Run } from "../run.ts";
import type { RunState } from "../state.ts";
import type { Job } from "../store.ts";

/** A run that is to start because another has ended. */
export interface Following {
  readonly job: Job;
  readonly entry: ResolvedFollow;
  readonly dueAt: Date;
}

export interface Followed {
  readonly starts: readonly Following[];
  /** Why others are not started; empty when there are none. */
  readonly note: string;
}

/** What files call the states that end a run. */
const endingOf: Partial<Readonly<Record<RunState, Ending>>> = {
  Completed: "completed",
  Failed: "failed",
  TimedOut: "timed-out",
  Crashed: "crashed",
  Cancelled: "cancelled",
};

/** What follows the end of a run, of the jobs that follow its job. */
export function followed(run: Run, jobs: readonly Job[]): Followed {
  const ending = endingOf[run.status.state];
  const endedMs = (run.endedAt ?? run.status.since).getTime();
  const matching = jobs.flatMap((job) =>
    (job.workload.spec.after ?? [])
      .filter((entry) => entry.job === run.stack.deployment && ending !== undefined && entry.states.includes(ending))
      .map((entry) => ({ job, entry, dueAt: new Date(endedMs + entry.delaySeconds * 1_000) })),
  );
  const notes = matching.flatMap(({ job }) => {
    const reason = whyAtRest(job);
    return reason === null ? [] : [`${job.stack.deployment} is not started after it: ${reason}`];
  });
  return { starts: matching.filter(({ job }) => whyAtRest(job) === null), note: [...new Set(notes)].join("\n") };
}

/** Why a job does not start by itself, in the user's words; null when it does. */
export function whyAtRest({ pause, workload: { spec } }: Job): string | null {
  if (pause !== null) return pauseWords(pause);
  return spec.state === "running" ? null : `its file says state: ${spec.state}`;
}
