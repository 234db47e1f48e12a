import type { ColumnType, Generated } from "kysely";
import type { Change } from "../../release/plan.ts";
import type { SnapshotKind } from "../../release/snapshots/snapshot.ts";
import type { DeploymentRow } from "../../release/store.ts";
import type { DeployJobView, DeploymentState, DeployPhase, DriftView, PauseView } from "../../release/views.ts";
import type { Workload } from "../../release/workload.ts";

export interface ReleaseSchema {
  repositories: RepositoriesTable;
  environments: EnvironmentsTable;
  snapshots: SnapshotsTable;
  snapshot_failures: SnapshotFailuresTable;
  deployments: DeploymentsTable;
  overrides: OverridesTable;
  drift: DriftTable;
  deploy_steps: DeployStepsTable;
}

export interface DeployStepsTable {
  repository: string;
  environment: string;
  deployment: string;
  phase: DeployPhase;
  snapshot: number;
  digest: string;
  job: string;
  run: string;
  state: DeployJobView["state"];
  reason: string;
}

export interface RepositoriesTable {
  name: string;
  url: string | null;
  default_branch: string;
  problem: string | null;
  created_at: Generated<Date>;
}

export interface EnvironmentsTable {
  repository: string;
  environment: string;
  branch: string | null;
  observed_head: string | null;
  waiting_commit: string | null;
  waiting_reason: string | null;
}

export interface SnapshotsTable {
  repository: string;
  environment: string;
  number: number;
  tag: string;
  sha: string;
  commit: string;
  at: Date;
  actor: string;
  reason: string;
  reverts: string | null;
  only: string | null;
  keeps: string[];
  kind: SnapshotKind;
  branch: string | null;
  subject: string;
  author: string;
  changes: Json<readonly Change[]>;
  is_deleted: boolean;
}

export interface SnapshotFailuresTable {
  repository: string;
  environment: string;
  number: number;
  deployment: string;
}

export interface DeploymentsTable {
  repository: string;
  environment: string;
  name: string;
  kind: DeploymentRow["kind"];
  workload: Json<Workload | null>;
  desired_digest: string;
  applied_digest: string | null;
  applied_workload: Json<Workload | null>;
  failed_digest: string | null;
  hosts: string[];
  snapshot: number;
  commit: string;
  blocked: string | null;
  state: DeploymentState;
  reason: string;
  url: string | null;
  updated_at: Generated<Date>;
}

export interface OverridesTable {
  repository: string;
  environment: string;
  name: string;
  pause: Json<PauseView | null>;
  restart: string | null;
}

export interface DriftTable {
  repository: string;
  environment: string;
  stack: string;
  deployment: string | null;
  found: Json<readonly DriftView[]>;
  seen_at: Generated<Date>;
}

/** Read as the value, written as its JSON text. */
export type Json<Value> = ColumnType<Value, string | null, string | null>;
