import type { TreeSha } from "../core/names.ts";
import type { StackName } from "../core/stack.ts";
import type { ResolvedDeployment } from "../spec/resolved.ts";

/** All that a template needs to make one deployment run: plain data, no secret's value. Same content = same revision. */
export interface Workload {
  readonly stack: StackName;
  readonly spec: ResolvedDeployment;
  /** The source tree at the snapshot; null where the deployment brings an image. */
  readonly source: TreeSha | null;
  /** Of a deployment of components, the tree of each; `source` is then null. */
  readonly sources?: ComponentSources;
  /** What it runs on, by its name in the server's settings. */
  readonly target: string;
  /** Of a job whose target fires what it can of its schedules: see `targets/cron-jobs.ts`. */
  readonly cronJobs?: true;
  /** Each secret that the deployment uses, at its current version: a changed secret is a new revision. */
  readonly secrets: readonly SecretUse[];
  /** First label of the deployment's own host; further routes have theirs. */
  readonly host: string;
  /** Changes when an operator asks for a restart. */
  readonly restart: string | null;
  /** Set while an operator's pause overrides the file's state. */
  readonly pause: { readonly by: string; readonly reason: string } | null;
}

/** Source trees by component; null where one brings an image. */
export type ComponentSources = Readonly<Record<string, TreeSha | null>>;

export interface SecretUse {
  readonly name: string;
  readonly version: number;
  /** Handed over as this environment variable, or as a file at this path. */
  readonly env?: string;
  readonly file?: string;
}

/** Who paused it and why, as people read it everywhere; the reason may be empty. */
export const pauseWords = ({ by, reason }: NonNullable<Workload["pause"]>): string =>
  reason === "" ? `paused by ${by}` : `paused by ${by}: ${reason}`;

/** Why nothing of it runs, in the words of status; null where it is meant to run. */
export function restWords({ spec, pause }: Pick<Workload, "spec" | "pause">): string | null {
  if (pause) return pauseWords(pause);
  return spec.state === "running" ? null : `state: ${spec.state} in its file`;
}

/** How a running workload is, as its target sees it. `reason` is in the user's words and never empty for trouble. */
export interface WorkloadStatus {
  readonly state: "starting" | "ready" | "sleeping" | "paused" | "stopped" | "degraded" | "failed";
  readonly reason: string;
}
