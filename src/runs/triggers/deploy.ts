import type { DeployRun, DeployRunEnd } from "../../release/apply/deploy-jobs.ts";
import type { Run } from "../run.ts";
import type { DeployStep } from "../store.ts";

/** What is to be done for a switch, after the newest run around the deployment's switches. */
export type DeployVerdict = "run" | "done" | "follow" | "wait";

/**
 * A revision has one run in each phase, whatever snapshot brings it; one that failed has another with the next snapshot.
 * `wait`: the run before another switch goes on. After a switch nobody waits: what is live stays so.
 */
export function deployVerdict(
  wanted: Pick<DeployRun, "phase" | "snapshot" | "digest">,
  last: DeployStep | null,
): DeployVerdict {
  if (last === null) return "run";
  const mayWait = wanted.phase === "before" && last.state === "running";
  if (last.digest !== wanted.digest) return mayWait ? "wait" : "run";
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
