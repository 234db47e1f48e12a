import type { Identity } from "../core/identity.ts";
import type { Secret } from "../core/secret.ts";
import type { SourceFile } from "../spec/problem.ts";
import type { StackName } from "../core/stack.ts";
import type { Plan } from "./plan.ts";
import type { DeploymentView, EnvironmentView, RepositoryView, SnapshotView } from "./views.ts";

export interface EnvironmentRef {
  readonly repository: string;
  readonly environment: string;
}

/** A change of anything shown: listeners read again what they show. */
export interface ReleaseEvent {
  readonly type: "deployment" | "environment" | "repository";
  readonly repository: string;
  readonly environment: string | null;
  readonly deployment: string | null;
}

/** `webhook`: where the other side may send its push webhook. */
export interface Connected extends RepositoryView {
  readonly wasConnected: boolean;
  readonly webhook: {
    readonly path: string;
    /** What to sign it with, shown this once; null for the one that was there. */
    readonly secret: Secret | null;
    /** Until when the secret before is valid, too; null when there is none. */
    readonly formerValidUntil: string | null;
  };
}

export interface ConnectRequest {
  readonly name: string;
  readonly url: string;
  /** Null for none; without it, those of a repository that is connected already stay. */
  readonly credentials?: string | null;
  /** A new webhook secret for one that is connected already. */
  readonly newSecret?: boolean;
  readonly actor: Identity;
}

export interface PlanRequest extends EnvironmentRef {
  /** The working tree's `deployments/*.yaml` and `waybill.yaml`. */
  readonly files: readonly SourceFile[];
  /** Tree ids of the source paths in the working tree, `.` for its root. */
  readonly trees: Readonly<Record<string, string>>;
}

export interface HistoryPage {
  /** The number of the last one of the page before. */
  readonly before?: number;
  readonly limit?: number;
  /** The deployment as whose history it is read; by default all of the environment's. */
  readonly only?: string | null;
}

/** Everything a person or a program can do to what is deployed. Each act takes who does it; each failure is a WaybillError. */
export interface Release {
  repositories(): Promise<readonly RepositoryView[]>;
  /** Watches a repository hosted elsewhere; the answer's name is what `/git` and the API call it. */
  connect(request: ConnectRequest): Promise<Connected>;
  environments(repository?: string): Promise<readonly EnvironmentView[]>;
  deployments(filter?: {
    repository?: string;
    environment?: string;
    name?: string;
  }): Promise<readonly DeploymentView[]>;
  /** The deployment's resolved spec as it should run now, without secrets: for "download as JSON". */
  spec(stack: StackName): Promise<Record<string, unknown>>;
  /** The text of the repository's file that it is made of, at its commit: for "download as YAML". */
  file(stack: StackName): Promise<string>;
  /** Newest first. */
  history(environment: EnvironmentRef, page?: HistoryPage): Promise<readonly SnapshotView[]>;
  plan(request: PlanRequest): Promise<Plan>;
  rollback(
    request: EnvironmentRef & { to: number | null; only: string | null; note: string; actor: Identity },
  ): Promise<SnapshotView>;
  hold(request: EnvironmentRef & { reason: string; actor: Identity }): Promise<EnvironmentView>;
  release(request: EnvironmentRef & { actor: Identity }): Promise<EnvironmentView>;
  pause(request: StackName & { reason: string; actor: Identity }): Promise<DeploymentView>;
  resume(request: StackName & { actor: Identity }): Promise<DeploymentView>;
  restart(request: StackName & { actor: Identity }): Promise<DeploymentView>;
  /** Reads every repository again and makes what its tags say run; answers how many environments there are. */
  rebuild(): Promise<{ repositories: number; environments: number; deployments: number }>;
  /** Called when a secret of the scope changed. */
  secretsChanged(scope: { repository: string; environment: string | null }): Promise<void>;
  /** Until the signal aborts. */
  events(signal: AbortSignal): AsyncIterable<ReleaseEvent>;
}
