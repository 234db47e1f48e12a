import type { DeployRun, DeployRunEnd } from "../../release/apply/deploy-jobs.ts";
import type { Run } from "../run.ts";
import type { DeployStep } from "../store.ts";

/** What is to be done for a switch, after the newest run around the deployment's switches. */
export type DeployVerdict = "run" | "done" | "follow" | "wait";

/**
 * A revision has one run in each phase, whatever snapshot brings it; one that failed has another with the next snapshot.
 * `wait`: the run of another switch goes on.
 */
export function deployVerdict(wanted: Pick<DeployRun, "snapshot" | "digest">, last: DeployStep | null): DeployVerdict {
  if (last === null) return "run";
  if (last.digest !== wanted.digest) return last.state === "running" ? "wait" : "run";
  if (last.state === "completed") return "done";
  return last.state === "failed" && wanted.snapshot > last.snapshot ? "run" : "follow";
}

/** How a run ended, for people. */
export function deployEnd({ status, startedAt, endedAt }: Run): DeployRunEnd {
  const isCompleted = status.state === "Completed";
  const took = startedAt && endedAt ? ` after ${((endedAt.getTime() - startedAt.getTime()) / 1_000).toFixed(1)} s` : "";
  const why = isCompleted || status.reason === "" ? "" : `: ${status.reason}`;
  return { isCompleted, text: `${status.state}${took}${why}` };
}
