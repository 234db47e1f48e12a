import type { DeploymentName } from "../core/names.ts";

/** `deployments/*.yaml` as written: checked, before overlays and defaults. `resolve` makes it complete. */
export type DeploymentSpec = ServiceSpec | WorkerSpec | JobSpec | SiteSpec;
export type Kind = DeploymentSpec["kind"];

export type State = "running" | "paused" | "stopped";
export type Visibility = "public" | "signed-in" | "viewers";

interface Identity {
  /** Where the document stands: the file, and the line of its first key, from 1. */
  readonly file: string;
  readonly line: number;
  readonly apiVersion: "waybill/v1";
  /** As written, or the file's name without its ending. */
  readonly name: DeploymentName;
}

interface Common {
  readonly description?: string;
  readonly tags?: Readonly<Record<string, Scalar>>;
  readonly state?: State;
}

/** A value that becomes text: `3` and `true` are handed on as written. */
export type Scalar = string | number | boolean;

/** What a new revision does while the old one holds what it needs. */
export type Rollout = "surge" | "handover" | "wait";

export interface WorkloadFields {
  readonly source?: SourceSpec;
  readonly build?: string;
  readonly startScript?: string;
  readonly command?: string;
  readonly workingDir?: string;
  readonly size?: string | CustomSize;
  readonly env?: Readonly<Record<string, Scalar>>;
  readonly requiredEnv?: readonly string[];
  readonly files?: Readonly<Record<string, FileSpec>>;
  readonly secrets?: readonly SecretSpec[];
  readonly stopTimeout?: string;
}

export interface SourceSpec {
  readonly path?: string;
  readonly image?: string;
  readonly git?: { readonly url?: string; readonly ref?: string };
}

export interface CustomSize {
  readonly cpu: number | string;
  readonly memory: number | string;
  readonly disk?: number | string;
  readonly gpu?: { readonly count?: number; readonly type?: string; readonly slice?: string };
  readonly spot?: boolean;
}

export interface FileSpec {
  readonly content: string;
  readonly mode?: string;
}

export interface SecretSpec {
  readonly name: string;
  readonly key?: string;
  readonly env?: string;
  readonly file?: string;
}

export interface AccessSpec {
  readonly visibility?: Visibility;
  readonly viewers?: readonly string[];
  readonly public?: readonly string[];
}

export interface RouteSpec {
  readonly subdomain: string;
  readonly port?: number;
  readonly protocol?: "http" | "grpc";
  readonly component?: string;
  readonly access?: AccessSpec;
}

export interface HealthSpec {
  readonly path?: string;
  readonly interval?: string;
  readonly timeout?: string;
  readonly startTimeout?: string;
}

export interface ReplicasSpec {
  readonly min?: number;
  readonly max?: number;
  readonly targetCpu?: number;
  readonly idleAfter?: string;
}

interface ServerFields {
  readonly port?: number;
  readonly health?: string | HealthSpec;
  readonly replicas?: number | ReplicasSpec;
}

/** Jobs that run around the switch to a new revision. */
export interface DeploySpec {
  readonly before?: string;
  readonly after?: string;
}

export interface ComponentSpec extends WorkloadFields, ServerFields {
  readonly kind?: "service" | "worker";
}

export interface ServiceFields extends Common, WorkloadFields, ServerFields {
  readonly rollout?: Rollout;
  readonly deploy?: DeploySpec;
  readonly subdomain?: string;
  readonly access?: AccessSpec;
  readonly routes?: readonly RouteSpec[];
  readonly components?: Readonly<Record<string, ComponentSpec>>;
  readonly main?: string;
}

export interface WorkerFields extends Common, WorkloadFields {
  readonly rollout?: Rollout;
  readonly deploy?: DeploySpec;
  readonly replicas?: number | ReplicasSpec;
}

export interface JobFields extends Common, WorkloadFields {
  readonly parameters?: ParametersSpec;
  readonly schedules?: readonly ScheduleSpec[];
  readonly after?: FollowSpec | readonly FollowSpec[];
  readonly events?: readonly EventSpec[];
  readonly concurrency?: ConcurrencySpec;
  readonly retries?: RetriesSpec;
  readonly history?: HistorySpec;
  readonly timeout?: string;
}

/** How a run can end, as files say it. */
export type Ending = "completed" | "failed" | "timed-out" | "crashed" | "cancelled";

export interface FollowSpec {
  readonly job: string;
  readonly state?: Ending | readonly Ending[];
  readonly delay?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly name?: string;
}

export interface EventSpec {
  readonly name: string;
  /** JSON pointers into the event's body, by parameter. */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface HistorySpec {
  readonly completed?: number;
  readonly failed?: number;
  readonly cancelled?: number;
  readonly maxAge?: string;
}

export interface ConcurrencySpec {
  readonly limit?: number;
  readonly whenFull?: WhenFull;
  readonly shared?: Readonly<Record<string, number>>;
}

export interface RetriesSpec {
  readonly limit?: number;
  readonly delay?: string | readonly string[];
  readonly backoff?: Backoff;
  readonly jitter?: number;
}

export interface SiteFields extends Common {
  readonly source?: SourceSpec;
  readonly build?: string;
  readonly workingDir?: string;
  readonly folder?: string;
  readonly spa?: boolean;
  readonly env?: Readonly<Record<string, Scalar>>;
  readonly deploy?: DeploySpec;
  readonly subdomain?: string;
  readonly access?: AccessSpec;
  readonly routes?: readonly { readonly subdomain: string; readonly access?: AccessSpec }[];
}

export type WhenFull = "queue" | "skip" | "cancel-running";
export type Backoff = "fixed" | "exponential";
export type CatchUp = "latest" | "all" | "skip";

export interface ParametersSpec {
  readonly schema?: Readonly<Record<string, unknown>>;
  readonly values?: Readonly<Record<string, unknown>>;
}

export interface ScheduleSpec {
  readonly name: string;
  readonly description?: string;
  readonly cron?: string;
  readonly dayOr?: boolean;
  readonly interval?: string;
  readonly rrule?: string;
  readonly anchor?: string;
  readonly timezone?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly startAt?: string;
  readonly endAt?: string;
  readonly jitter?: string;
  readonly catchUp?: CatchUp;
  readonly catchUpLimit?: number;
  readonly catchUpMaxAge?: string;
  readonly active?: boolean;
}

type Overlaid<Fields> = Fields & { readonly environments?: Readonly<Record<string, Partial<Fields>>> };

export type ServiceSpec = Identity & { readonly kind: "service" } & Overlaid<ServiceFields>;
export type WorkerSpec = Identity & { readonly kind: "worker" } & Overlaid<WorkerFields>;
export type JobSpec = Identity & { readonly kind: "job" } & Overlaid<JobFields>;
export type SiteSpec = Identity & { readonly kind: "site" } & Overlaid<SiteFields>;
