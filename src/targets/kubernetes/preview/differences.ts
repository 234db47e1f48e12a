import type { Json, Properties } from "../../../engine/provider.ts";
import { isEqual, isList, isMap, isUnknown } from "../../../engine/value/value.ts";

/** One field of an object; null: there is none. */
export interface Difference {
  readonly path: string;
  readonly from: Json;
  readonly to: Json;
}

// What the API server and controllers write into every object, and the engine's notes of its own.
const notOurs = new Set([
  "status",
  "__fieldManager",
  "__initialApiVersion",
  "metadata.uid",
  "metadata.resourceVersion",
  "metadata.generation",
  "metadata.creationTimestamp",
  "metadata.managedFields",
  'metadata.annotations["deployment.kubernetes.io/revision"]',
]);

/**
 * The fields in which two forms of an object differ, as deep as both go. Members of a list that have names are compared
 * by name, as server-side apply does it; what is not known yet is no difference.
 */
export function differencesOf(from: Properties, to: Properties): readonly Difference[] {
  const found: Difference[] = [];
  compare({ path: "", from, to }, found);
  return found;
}

interface Comparison {
  readonly path: string;
  readonly from: Json | undefined;
  readonly to: Json | undefined;
}

function compare({ path, from, to }: Comparison, found: Difference[]): void {
  if (notOurs.has(path) || isUnknown(to) || isEqual(from, to)) return;
  if (isMap(from) && isMap(to)) {
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
      compare({ path: pathTo(path, key), from: from[key], to: to[key] }, found);
    }
    return;
  }
  const [before, after] = [byName(from), byName(to)];
  if (before && after) {
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      compare({ path: `${path}[${name}]`, from: before.get(name), to: after.get(name) }, found);
    }
    return;
  }
  if (isList(from) && isList(to) && from.length === to.length) {
    from.forEach((item, index) => compare({ path: `${path}[${index}]`, from: item, to: to[index] }, found));
    return;
  }
  found.push({ path, from: from ?? null, to: to ?? null });
}

/** Null: not a list whose members all have names of their own. */
function byName(value: Json | undefined): ReadonlyMap<string, Json> | null {
  if (!isList(value) || value.length === 0) return null;
  const named = value.map((item): readonly [Json | undefined, Json] => [isMap(item) ? item["name"] : undefined, item]);
  const members = new Map<string, Json>();
  for (const [name, item] of named) {
    if (typeof name !== "string" || members.has(name)) return null;
    members.set(name, item);
  }
  return members;
}

function pathTo(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
