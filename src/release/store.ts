import type { CommitSha } from "../core/names.ts";
import type { StackName } from "../core/stack.ts";
import type { Change } from "./plan.ts";
import type { EnvironmentRef } from "./release.ts";
import type { Snapshot } from "./snapshots/snapshot.ts";
import type { DeployJobView, DeploymentState, DriftView, PauseView, RepositoryView } from "./views.ts";
import type { Workload } from "./workload.ts";

/** What release keeps: a cache of what Git says, and what is known of each apply. Losing it loses no desired state. */
export interface ReleaseStore {
  repositories(): Promise<readonly RepositoryView[]>;
  saveRepository(repository: RepositoryView): Promise<void>;
  removeRepository(name: string): Promise<void>;

  environments(repository?: string): Promise<readonly EnvironmentRow[]>;
  saveEnvironment(row: EnvironmentRow): Promise<void>;

  /** Every snapshot ever seen of an environment, or of all, the deleted ones too, in the order of their numbers. */
  snapshots(filter: { repository: string; environment?: string }): Promise<readonly RecordedSnapshot[]>;
  saveSnapshot(environment: EnvironmentRef, row: SnapshotRow): Promise<void>;
  /** Deployments whose apply failed for good while they followed a snapshot, and did not succeed there since. */
  failures(environment: EnvironmentRef): Promise<Failures>;

  deployments(filter?: Partial<StackName>): Promise<readonly DeploymentRow[]>;
  deployment(stack: StackName): Promise<DeploymentRow | null>;
  /** How far each deployment of an environment has come, without what it runs. */
  progress(environment: EnvironmentRef): Promise<readonly DeploymentProgress[]>;
  /**
   * Writes what should be, in one transaction: `rows` are new or changed; the environment's others keep their content
   * and follow `base`, but for those named in `exceptions`. Answers those of `rows` that are to run, as they are now.
   */
  desire(environment: EnvironmentRef, rows: readonly DesiredRow[], base: Following): Promise<readonly DeploymentRow[]>;
  /** Records an apply's outcome, here and for the snapshot that the row follows, if the row still wants that digest;
   * answers whether it did. */
  recordApplied(stack: StackName, outcome: AppliedOutcome): Promise<boolean>;
  setState(stack: StackName, state: DeploymentState, reason: string): Promise<void>;
  /** Drops the row of a removed deployment, unless it is wanted again meanwhile. */
  forget(stack: StackName): Promise<void>;
  /** The hosts among these that another stack of the server holds. */
  holders(hosts: readonly string[], except: EnvironmentRef): Promise<ReadonlyMap<string, StackName>>;

  overrides(environment: EnvironmentRef): Promise<ReadonlyMap<string, Override>>;
  saveOverride(stack: StackName, override: Override): Promise<void>;
  /** Which schedules people have paused: by their jobs' names, then by their own. */
  schedulePauses(environment: EnvironmentRef): Promise<ReadonlyMap<string, ReadonlyMap<string, PauseView>>>;

  /** The newest runs of the jobs around switches. */
  deployJobs(filter?: Partial<StackName>): Promise<readonly DeployJobRow[]>;

  /** What others changed, of all that was applied. */
  drifts(filter?: Partial<EnvironmentRef>): Promise<readonly DriftRow[]>;
  saveDrift(row: DriftRow): Promise<void>;
}

export type DeployJobRow = DeployJobView & { readonly stack: StackName };

export interface DriftRow extends EnvironmentRef {
  /** The name of the stack, which is the deployment's but for what an environment's deployments share. */
  readonly stack: string;
  /** Null: what they share. */
  readonly deployment: string | null;
  readonly found: readonly DriftView[];
}

export interface EnvironmentRow extends EnvironmentRef {
  readonly branch: string | null;
  /** The branch's head when it was last looked at: only a change of it makes a snapshot. */
  readonly observedHead: CommitSha | null;
  readonly waiting: { readonly commit: CommitSha; readonly reason: string } | null;
}

export interface SnapshotRow extends Snapshot {
  readonly branch: string | null;
  readonly subject: string;
  readonly author: string;
  readonly changes: readonly Change[];
  readonly isDeleted: boolean;
}

/** Names of deployments, by the snapshot's number. */
export type Failures = ReadonlyMap<number, readonly string[]>;

export interface Following {
  readonly snapshot: number;
  readonly commit: CommitSha;
  readonly exceptions: readonly string[];
}

/** A row as read, with the environment that it belongs to. */
export type RecordedSnapshot = SnapshotRow & { readonly environment: string };

export interface DesiredRow {
  readonly stack: StackName;
  /** Null: to be removed. */
  readonly workload: Workload | null;
  readonly desiredDigest: string;
  readonly hosts: readonly string[];
  /** Number of the snapshot that it follows. */
  readonly snapshot: number;
  readonly commit: CommitSha;
  /** Why it cannot be applied yet; null when it can. */
  readonly blocked: string | null;
}

export interface DeploymentRow extends DesiredRow {
  readonly kind: Workload["spec"]["kind"];
  readonly appliedDigest: string | null;
  /** What was applied last, and runs unless it was stopped. */
  readonly appliedWorkload: Workload | null;
  /** What was tried last and failed for good: not tried again until something changes. */
  readonly failedDigest: string | null;
  readonly state: DeploymentState;
  readonly reason: string;
  readonly url: string | null;
  readonly updatedAt: Date;
}

/** What is compared at each look: a thousand of these are read fast, the workloads are not. */
export type DeploymentProgress = Pick<
  DeploymentRow,
  "stack" | "desiredDigest" | "appliedDigest" | "failedDigest" | "state" | "blocked"
>;

const unfinished: ReadonlySet<DeploymentState> = new Set(["waiting", "building", "starting"]);

/**
 * Whether nothing is left to do for a row. What runs already but does not say how it is (a rollback to a revision
 * that never stopped) is applied again: that changes nothing and tells.
 */
export function isSettled({ desiredDigest, appliedDigest, failedDigest, state }: DeploymentProgress): boolean {
  if (desiredDigest === failedDigest) return true;
  return desiredDigest === appliedDigest && !unfinished.has(state);
}

export interface AppliedOutcome {
  readonly digest: string;
  readonly state: DeploymentState;
  readonly reason: string;
  readonly url: string | null;
  /** False: tried and failed, to be tried again only when something changes. */
  readonly isApplied: boolean;
}

/** An operator's word over the file's. */
export interface Override {
  readonly pause: PauseView | null;
  readonly restart: string | null;
}
