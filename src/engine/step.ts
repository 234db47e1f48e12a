import type { DetailedDiff, Properties } from "./provider.ts";

export type StepOp = "create" | "update" | "replace" | "delete" | "delete-replaced" | "same" | "read";

export interface Step {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly op: StepOp;
  /** Changed property paths, never values. */
  readonly diffs: readonly string[];
  readonly detailedDiff: DetailedDiff;
  /** In a preview, of a custom resource: for people to see, with no secret in it. */
  readonly sight?: Sight;
}

/** A resource before and after a step. Unknown values stand as the mark of `isUnknown`. */
export interface Sight {
  /** What the program asks for; null for a deletion. */
  readonly asked: Properties | null;
  /** Outputs; null where there is none. */
  readonly before: Properties | null;
  readonly after: Properties | null;
}
export type Changes = Readonly<Record<StepOp, number>>;

export type EngineEvent =
  | { readonly type: "step-started"; readonly urn: string; readonly op: StepOp }
  | { readonly type: "step-progress"; readonly urn: string; readonly message: string }
  | { readonly type: "step-done"; readonly urn: string; readonly op: StepOp; readonly durationMs: number }
  | { readonly type: "step-failed"; readonly urn: string; readonly op: StepOp; readonly message: string }
  | {
      readonly type: "log";
      readonly severity: "debug" | "info" | "warning" | "error";
      readonly urn: string | null;
      readonly message: string;
    };
