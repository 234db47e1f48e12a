import type { Definition } from "./define/definition.ts";
import { differences, type FieldChange } from "./define/differences.ts";
import type { ObjectChange } from "./deployer.ts";

/** What applying a snapshot would do, with the reasons: a value. */
export interface Plan {
  readonly repository: string;
  readonly environment: string;
  /** In the order of the deployments' names. */
  readonly changes: readonly Change[];
  /** What is accepted but cannot be applied yet, and other things to know, in the user's words. */
  readonly notices: readonly string[];
  /** Set when the plan waits for a person before it is applied. */
  readonly waitsFor: string | null;
}

export interface Change {
  readonly name: string;
  readonly kind: Definition["kind"];
  /** `replace` starts a new workload beside the old; `update` changes it in place (a route, an access rule). */
  readonly action: "create" | "update" | "replace" | "delete" | "unchanged";
  readonly fields: readonly FieldChange[];
  readonly reasons: readonly string[];
  /** What it comes to at the target, where that was asked. */
  readonly objects?: readonly ObjectChange[];
}

type Definitions = ReadonlyMap<string, Definition>;

/** Fields whose change leaves the running program alone. */
const inPlace = /^(description|tags|access|routes|state|stopTimeoutSeconds|rollout)\b/;

/** Compares what is with what should be. Pure: equal arguments give equal plans. */
export function planChanges(before: Definitions, after: Definitions): readonly Change[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return names.flatMap((name) => changeOf(before.get(name), after.get(name)) ?? []);
}

function changeOf(before: Definition | undefined, after: Definition | undefined): Change | null {
  if (before && after) return changedOf(before, after);
  if (after) {
    return { name: after.name, kind: after.kind, action: "create", fields: [], reasons: ["the file is new"] };
  }
  if (before) {
    return { name: before.name, kind: before.kind, action: "delete", fields: [], reasons: ["the file is gone"] };
  }
  return null;
}

function changedOf(before: Definition, after: Definition): Change {
  const { name, kind } = after;
  if (before.digest === after.digest) return { name, kind, action: "unchanged", fields: [], reasons: [] };
  const hasMoved = before.target !== after.target;
  const moved = { path: "target", from: before.target, to: after.target };
  const fields = [...(hasMoved ? [moved] : []), ...differences(before.spec, after.spec)];
  const reasons: string[] = [];
  const parts = Object.keys(after.sources ?? {}).filter((part) => before.sources?.[part] !== after.sources?.[part]);
  const sourceChanged = before.source !== after.source || parts.length > 0;
  if (sourceChanged) reasons.push(`the source tree${parts.length > 0 ? ` of ${parts.join(", ")}` : ""} changed`);
  const restarting = fields.filter(({ path }) => !inPlace.test(path)).map(({ path }) => path);
  if (before.kind !== kind) reasons.push(`it was a ${before.kind}`);
  else if (restarting.length > 0) reasons.push(`${restarting.join(", ")} changed`);
  if (restarting.length === 0 && !sourceChanged) reasons.push("changed in place, nothing restarts");
  return { name, kind, action: restarting.length > 0 || sourceChanged ? "replace" : "update", fields, reasons };
}

const massDeletion = { atLeast: 3, share: 0.5 };

/**
 * Why a change that nobody asked for by hand must wait for a person, or null. It must when it would remove every
 * deployment, or more than half of them and at least three (design, decision 7).
 */
export function reasonToWait(before: Definitions, after: Definitions): string | null {
  const removed = [...before.keys()].filter((name) => !after.has(name));
  if (removed.length === 0) return null;
  const isMost = removed.length >= massDeletion.atLeast && removed.length > before.size * massDeletion.share;
  if (after.size > 0 && !isMost) return null;
  const all = after.size === 0 ? "there are no deployments in this commit: " : "";
  return `${all}it would delete ${removed.length} of ${before.size} deployments (${removed.join(", ")})`;
}
