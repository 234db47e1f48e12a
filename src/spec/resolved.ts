import type { DeploymentName, EnvironmentName } from "../core/names.ts";
import type { GpuSpec } from "./context.ts";
import type { Backoff, CatchUp, DeploySpec, Ending, Rollout, State, Visibility, WhenFull } from "./deployment.ts";

/**
 * A deployment in one environment: overlays merged, every default filled in, durations in seconds, sizes in numbers.
 * Plain JSON data whose keys always come in one order, so that equal deployments have equal text.
 */
export type ResolvedDeployment = ResolvedService | ResolvedWorker | ResolvedJob | ResolvedSite;

interface ResolvedCommon {
  readonly name: DeploymentName;
  readonly environment: EnvironmentName;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly state: State;
}

/** Where the program's files come from. `path` is relative to the root of the tree, `.` is all of it. */
export type ResolvedSource =
  /** This repository at the snapshot's commit. */
  | { readonly from: "repository"; readonly path: string }
  /** `url` null: this repository; `ref` null: the default branch of `url`. */
  | { readonly from: "git"; readonly url: string | null; readonly ref: string | null; readonly path: string }
  | { readonly from: "image"; readonly image: string };

export interface ResolvedSize {
  /** The catalogue's name, null for a size written out. */
  readonly name: string | null;
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly diskBytes?: number;
  readonly gpu?: GpuSpec;
  readonly spot: boolean;
}

export interface ResolvedWorkload {
  readonly source: ResolvedSource;
  /** Shell commands; null where there is none. `command` is null only for an image, which then runs its own. */
  readonly build: string | null;
  readonly startScript: string | null;
  readonly command: string | null;
  /** Relative to the source's path. */
  readonly workingDir: string;
  readonly size: ResolvedSize;
  /** Sorted by name. */
  readonly env: Readonly<Record<string, string>>;
  readonly requiredEnv: readonly string[];
  /** By path, sorted; relative paths start at the working folder. `mode` is octal text such as `0644`. */
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: string }>>;
  readonly secrets: readonly ResolvedSecret[];
  /** From the polite signal to the last one. */
  readonly stopTimeoutSeconds: number;
}

/** With a key: of a Secret in the environment's namespace of its cluster, of which Waybill keeps no value. */
export type ResolvedSecret = { readonly name: string; readonly key?: string } & (
  | { readonly env: string }
  | { readonly file: string }
);

export interface ResolvedAccess {
  readonly visibility: Visibility;
  /** `user:…`, `group:…` or `client:…`, sorted. */
  readonly viewers: readonly string[];
  /** Paths that need no sign-in; a `*` at the end stands for the rest. */
  readonly public: readonly string[];
}

export interface ResolvedRoute {
  /** The host name's label in `production`: `LABEL.DOMAIN`. Elsewhere `ENVIRONMENT--LABEL.DOMAIN`. */
  readonly subdomain: string;
  readonly port: number;
  readonly protocol: "http" | "grpc";
  /** The component that answers; null for a deployment without components. */
  readonly component: string | null;
  readonly access: ResolvedAccess;
}

export interface ResolvedHealth {
  /** Null: it is enough that something listens on the port. */
  readonly path: string | null;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** How long a new revision may take to answer for the first time. */
  readonly startTimeoutSeconds: number;
}

export interface ResolvedReplicas {
  readonly min: number;
  readonly max: number;
  /** Percent of the CPU asked for at which another replica is started; null: the number stays at `min`. */
  readonly targetCpu: number | null;
  /** Without a request for this long it sleeps; null unless `min` is 0. */
  readonly idleAfterSeconds: number | null;
}

export interface ResolvedServer {
  readonly port: number;
  readonly health: ResolvedHealth;
  readonly replicas: ResolvedReplicas;
}

export type ResolvedComponent =
  | ({ readonly kind: "service" } & ResolvedWorkload & ResolvedServer)
  | ({ readonly kind: "worker" } & ResolvedWorkload & { readonly replicas: ResolvedReplicas });

/** `routes` starts with the deployment's own. With components, the fields of the workload itself are their defaults. */
export type ResolvedService = ResolvedCommon & { readonly kind: "service" } & ResolvedWorkload &
  ResolvedServer & {
    readonly rollout: Rollout | null;
    readonly deploy?: DeploySpec;
    readonly access: ResolvedAccess;
    readonly routes: readonly ResolvedRoute[];
    /** Empty for a deployment of one part. */
    readonly components: Readonly<Record<string, ResolvedComponent>>;
    /** The component that answers at the deployment's own name; null without components. */
    readonly main: string | null;
  };

export type ResolvedWorker = ResolvedCommon & { readonly kind: "worker" } & ResolvedWorkload & {
    readonly replicas: ResolvedReplicas;
    /** Null: beside the old revision where there is room for both, else in its place. */
    readonly rollout: Rollout | null;
    readonly deploy?: DeploySpec;
  };

export interface ResolvedSchedule {
  readonly name: string;
  readonly description: string;
  readonly when:
    | { readonly by: "cron"; readonly cron: string; readonly isDayOr: boolean }
    | { readonly by: "interval"; readonly intervalSeconds: number }
    | { readonly by: "rrule"; readonly rrule: string };
  /** RFC 3339, null where none was given: intervals then count from 1970-01-01T00:00:00Z. */
  readonly anchor: string | null;
  readonly timezone: string;
  /** The job's values with the schedule's own over them. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** RFC 3339; times outside start no runs. */
  readonly startAt: string | null;
  readonly endAt: string | null;
  readonly jitterSeconds: number;
  /** What becomes of times missed: of those younger than `maxAgeSeconds`, at most the `limit` newest. */
  readonly catchUp: { readonly policy: CatchUp; readonly limit: number; readonly maxAgeSeconds: number };
  readonly isActive: boolean;
}

/** A run of another job after whose end one of this job starts. */
export interface ResolvedFollow {
  /** Unique within the job. */
  readonly name: string;
  readonly job: string;
  /** Sorted. */
  readonly states: readonly Ending[];
  readonly delaySeconds: number;
  /** The job's values with the entry's own over them. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ResolvedEvent {
  readonly name: string;
  /** JSON pointers (RFC 6901) into the event's body, by parameter. */
  readonly parameters: Readonly<Record<string, string>>;
}

export type ResolvedJob = ResolvedCommon & { readonly kind: "job" } & ResolvedWorkload & {
    readonly parameters: {
      readonly schema: Readonly<Record<string, unknown>>;
      readonly values: Readonly<Record<string, unknown>>;
    };
    readonly schedules: readonly ResolvedSchedule[];
    /** Absent where there are none: the digests of files without them are what they were. */
    readonly after?: readonly ResolvedFollow[];
    readonly events?: readonly ResolvedEvent[];
    /** `limit` null: as many runs at once as are started. */
    readonly concurrency: {
      readonly limit: number | null;
      readonly whenFull: WhenFull;
      /** Limits by name that the environment's jobs have in common, sorted by name. */
      readonly shared: Readonly<Record<string, number>>;
    };
    readonly retries: {
      readonly limit: number;
      /** Before each retry; the last one is for all that follow. There is at least one. */
      readonly delaysSeconds: readonly number[];
      readonly backoff: Backoff;
      /** Up to this part of a delay is added to it. */
      readonly jitter: number;
    };
    /** How many ended runs are kept: `failed` are all that did not complete and were not cancelled. */
    readonly history: {
      readonly completed: number;
      readonly failed: number;
      readonly cancelled: number;
      /** Null: however old. */
      readonly maxAgeSeconds: number | null;
    };
    readonly timeoutSeconds: number | null;
  };

export type ResolvedSite = ResolvedCommon & {
  readonly kind: "site";
  readonly source: ResolvedSource;
  readonly build: string | null;
  readonly workingDir: string;
  /** The folder to publish, relative to the working folder. */
  readonly folder: string;
  /** Unknown paths answer with index.html. */
  readonly spa: boolean;
  readonly env: Readonly<Record<string, string>>;
  readonly deploy?: DeploySpec;
  readonly access: ResolvedAccess;
  readonly routes: readonly Omit<ResolvedRoute, "port" | "protocol" | "component">[];
};
