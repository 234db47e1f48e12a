import type { Change } from "./plan.ts";

/** What the API, the dashboard and the command line show: plain data. Times are ISO 8601 in UTC. */

export type DeploymentState =
  | "draft"
  | "waiting"
  | "building"
  | "starting"
  | "ready"
  | "sleeping"
  | "paused"
  | "stopped"
  | "degraded"
  | "failed";

export interface DeploymentView {
  readonly repository: string;
  readonly environment: string;
  readonly name: string;
  readonly kind: "service" | "worker" | "job" | "site";
  readonly state: DeploymentState;
  /** In the user's words; empty when all is well. */
  readonly reason: string;
  /** `waybill/production/8`: the newest snapshot that this deployment is meant to be at. */
  readonly snapshot: string;
  readonly commit: string;
  readonly url: string | null;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly updatedAt: string;
  readonly pause: PauseView | null;
  /** What others changed of what was applied for it. */
  readonly drift: readonly DriftView[];
  /** The jobs of its `deploy`, as they ran last. */
  readonly deployJobs: readonly DeployJobView[];
}

/** Before a new revision takes over, or once it is live. */
export type DeployPhase = "before" | "after";

/** The newest run of a job around a deployment's switches. */
export interface DeployJobView {
  readonly phase: DeployPhase;
  readonly job: string;
  readonly run: string;
  readonly snapshot: number;
  readonly state: "running" | "completed" | "failed";
  /** Why it failed, in the user's words. */
  readonly reason: string;
}

/** One field that is not as it was applied, by somebody else's doing. */
export interface DriftView {
  /** `Deployment shop--production/web-1a2b3c4d` */
  readonly object: string;
  /** `spec.replicas`; null: the object itself is gone, or is another. */
  readonly field: string | null;
  /** Null: it should not be there. A secret's value is never shown. */
  readonly wanted: unknown;
  /** Null: it is not there. */
  readonly found: unknown;
  /** The field manager that has it now; null where that left no trace. */
  readonly by: string | null;
  readonly at: string | null;
  /** What is being done about it, where that needs saying. */
  readonly note: string;
}

export interface PauseView {
  readonly by: string;
  readonly reason: string;
  readonly at: string;
}

export interface SnapshotView {
  readonly tag: string;
  readonly number: number;
  readonly commit: string;
  readonly branch: string | null;
  /** First line of the commit's message. */
  readonly subject: string;
  readonly author: string;
  readonly actor: string;
  readonly at: string;
  readonly reason: string;
  /** The tag that this one takes back. */
  readonly reverts: string | null;
  /** Set when only this deployment follows the tag. */
  readonly only: string | null;
  readonly active: boolean;
  /** Going back to it would change nothing. */
  readonly live: boolean;
  /** Its tag is gone: nobody can go back to it. */
  readonly deleted: boolean;
  readonly held: boolean;
  readonly changes: readonly Change[];
}

export interface EnvironmentView {
  readonly repository: string;
  readonly environment: string;
  readonly branch: string | null;
  /** The newest snapshot's tag. */
  readonly snapshot: string | null;
  readonly hold: { readonly by: string; readonly reason: string; readonly since: string } | null;
  /** A commit that has not become a snapshot yet, and why. */
  readonly waiting: { readonly commit: string; readonly reason: string } | null;
  /** What others changed of what its deployments share. */
  readonly drift: readonly DriftView[];
}

export interface RepositoryView {
  readonly name: string;
  /** Where it is hosted, without credentials; null when Waybill hosts it. */
  readonly url: string | null;
  readonly defaultBranch: string;
  /** What stands in the way of reading it; null when nothing does. */
  readonly problem: string | null;
}
