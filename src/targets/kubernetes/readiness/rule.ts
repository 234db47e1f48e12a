import type { Selection } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/object.ts";

/** Whether an object is what it was applied to be. */
export type Judgement =
  | { readonly state: "ready" }
  /** It may still become so. `againInMs`: the passing of time alone may change this. */
  | { readonly state: "waiting"; readonly reasons: readonly string[]; readonly againInMs?: number }
  /** It will not by itself. */
  | { readonly state: "failed"; readonly reasons: readonly string[] };

export interface View {
  readonly object: KubeObject;
  /** All that the rule's selections hold. */
  readonly related: readonly KubeObject[];
  readonly nowMs: number;
}

/** When an object of one kind is ready. Pure. */
export interface Rule {
  /** What else must be watched to tell. */
  readonly related?: (object: KubeObject) => readonly Selection[];
  readonly judge: (view: View) => Judgement;
}

export const ready: Judgement = { state: "ready" };
export const waiting = (...reasons: readonly string[]): Judgement => ({ state: "waiting", reasons });
export const failed = (...reasons: readonly string[]): Judgement => ({ state: "failed", reasons });

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** A part of an object, taken to be of the shape that its kind has; empty where it is absent. */
export const partOf = <Part extends object>(object: KubeObject, field: "spec" | "status"): Partial<Part> =>
  object[field] ?? {};

export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  const { conditions = [] } = partOf<{ conditions: readonly Condition[] }>(object, "status");
  return conditions.find((condition) => condition.type === type);
}

/** True once the controller has looked at what was applied last. */
export function isObserved(object: KubeObject): boolean {
  const { observedGeneration = 0 } = partOf<{ observedGeneration: number }>(object, "status");
  return observedGeneration >= (object.metadata.generation ?? 0);
}

export function hasLabels(object: KubeObject, wanted: Readonly<Record<string, string>>): boolean {
  const { labels = {} } = object.metadata;
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}
