import type { StackName } from "../core/stack.ts";

/** One host name of a deployment: who may pass, and where requests go. Written by targets, served by the gateway. */
export interface Route {
  /** The host's first label, `ranker` or `staging--ranker`; the server's domain follows. Unique on a server. */
  readonly host: string;
  readonly stack: StackName;
  readonly upstream: Upstream;
  readonly access: AccessRule;
  /** Absent: what it leads to never sleeps. */
  readonly idle?: IdleRule;
}

/** When what a route leads to may sleep, and how long whoever wakes it may have to wait. */
export interface IdleRule {
  readonly afterSeconds: number;
  readonly startTimeoutSeconds: number;
}

/** A route as it stands: whoever writes routes says nothing about sleep, which ends when the upstream changes. */
export interface KnownRoute extends Route {
  /** Absent: what it leads to is awake. */
  readonly sleep?: Sleep;
  /** Absent: who finds nothing that answers is told so. */
  readonly parked?: Parked;
}

/** Requests that find nothing to answer them wait for it: one revision takes another's place. */
export interface Parked {
  /** ISO 8601. */
  readonly since: string;
  readonly forSeconds: number;
}

/** Where requests wait while one revision stops for another. */
export interface RouteParking {
  /** They wait from now on, for so long at most after it; null: no longer than any request. */
  park(stack: StackName, forSeconds: number | null): Promise<void>;
}

/** New requests wait at the entrance from `falling` on; nothing runs while `asleep`. */
export interface Sleep {
  readonly stage: "falling" | "asleep" | "waking";
  /** ISO 8601. */
  readonly since: string;
  /** Why the last start came to nothing; absent when none failed. */
  readonly failure?: WakeFailure;
}

export interface WakeFailure {
  readonly reason: string;
  /** How many starts failed in a row. */
  readonly count: number;
  /** ISO 8601; no other start is made before. */
  readonly retryAt: string;
}

export type Upstream =
  | { readonly kind: "http"; readonly hostname: string; readonly port: number; readonly protocol: "http" | "grpc" }
  /**
   * The ready addresses of a Kubernetes Service. `revision` is whatever differs between two revisions: requests do not
   * depend on it, but a route that sleeps is awake again with another revision.
   */
  | {
      readonly kind: "pods";
      readonly target: string;
      readonly namespace: string;
      readonly service: string;
      readonly port: number;
      readonly protocol: "http" | "grpc";
      readonly revision: string;
    }
  | { readonly kind: "files"; readonly folder: string; readonly spa: boolean }
  /** Nothing to send to: answered with 503 and the reason. */
  | { readonly kind: "none"; readonly reason: string };

export interface AccessRule {
  readonly visibility: "public" | "signed-in" | "viewers";
  /** `user:NAME`, a bare NAME, or `group:NAME`; only with the visibility `viewers`. */
  readonly viewers: readonly string[];
  /** Paths that need no identity: exact, or a prefix ending in `*`. */
  readonly public: readonly string[];
}

export interface RouteTable {
  /**
   * Writes or replaces the route. A host moves to the stack from another one of its environment (a renamed deployment
   * keeps its address); one held by another environment or repository is refused with `HOST_TAKEN`.
   */
  put(route: Route): Promise<void>;
  /** Writes the route again, unless another stack has its host by now. */
  restore(route: Route): Promise<void>;
  /** Whether this stack holds the host, and another of its environment that is being applied is about to take it over. */
  isAwaited(host: string, stack: StackName): Promise<boolean>;
  /** Removes the route if this stack holds it. */
  remove(host: string, stack: StackName): Promise<void>;
}

/** What the entrance knows of requests under way. */
export interface Traffic {
  /**
   * Resolves once the entrance sends nothing new to `hostname:port` and nothing is in flight there, or when
   * `timeoutMs` has passed; answers how many requests were still in flight.
   */
  drained(
    upstream: { hostname: string; port: number },
    options: { timeoutMs: number; signal: AbortSignal },
  ): Promise<number>;
}
