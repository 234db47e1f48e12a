/** What applying a snapshot would do, with the reasons: a value. */
export interface Plan {
  readonly repository: string;
  readonly environment: string;
  readonly changes: readonly Change[];
  /** What is accepted but cannot be applied yet, and other things to know, in the user's words. */
  readonly notices: readonly string[];
  /** Set when the plan waits for a person before it is applied. */
  readonly waitsFor: string | null;
}

export interface Change {
  readonly name: string;
  readonly kind: "service" | "worker" | "job" | "site";
  /** `replace` starts a new workload beside the old; `update` changes it in place (a route, an access rule). */
  readonly action: "create" | "update" | "replace" | "delete" | "unchanged";
  readonly fields: readonly FieldChange[];
  readonly reasons: readonly string[];
}

export interface FieldChange {
  /** `env.LOG_LEVEL`, `replicas.max`, `source`. */
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
}
