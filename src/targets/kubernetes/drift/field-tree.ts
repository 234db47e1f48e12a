import type { Json } from "../../../engine/provider.ts";
import { isEqual, isMap } from "../../../engine/value/value.ts";

/**
 * Which fields a manager has, as the API server keeps it: `f:NAME` a field, `k:{…}` an element of a list by its keys,
 * `v:…` one by its value, `.` the map or element itself. Without entries it is all that lies below.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */
export interface FieldTree {
  readonly [part: string]: FieldTree;
}

/** One of an object's `metadata.managedFields`. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1?: FieldTree;
}

/** A field's name, or an element of a list by its keys. */
export type PathPart = string | Readonly<Record<string, Json>>;
export type Path = readonly PathPart[];

/** `spec.template.spec.containers[name=web].image` */
export function pathText(path: Path): string {
  return path.map(partText).join("").replace(/^\./, "");
}

function partText(part: PathPart): string {
  if (typeof part === "string") return /^[\w-]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
  const keys = Object.entries(part).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `[${keys.join(",")}]`;
}

/** Whose fields either of them has. */
export function union(left: FieldTree, right: FieldTree): FieldTree {
  const [one, other] = [Object.keys(left), Object.keys(right)];
  if (one.length === 0 || other.length === 0) return {};
  return Object.fromEntries(
    [...new Set([...one, ...other])].map((part) => {
      const [a, b] = [left[part], right[part]];
      return [part, a && b ? union(a, b) : (a ?? b ?? {})];
    }),
  );
}

const isWhole = (tree: FieldTree): boolean => Object.keys(tree).length === 0;

/** The keys by which `part` names an element; null for what names none. */
export function keysOf(part: string): Readonly<Record<string, Json>> | null {
  return part.startsWith("k:") ? (JSON.parse(part.slice(2)) as Record<string, Json>) : null;
}

/** Whether an element is the one that these keys name; what the cluster completes may be left out of it. */
export const hasKeys = (element: Json, keys: Readonly<Record<string, Json>>): boolean =>
  isMap(element) &&
  Object.entries(keys).every(([key, value]) => element[key] === undefined || isEqual(element[key], value)) &&
  Object.keys(keys).some((key) => element[key] !== undefined);

/** Whether the tree has the field, or a part of it. */
export function holds(tree: FieldTree, path: Path): boolean {
  const [first, ...rest] = path;
  if (first === undefined || isWhole(tree)) return true;
  const part =
    typeof first === "string" ? `f:${first}` : Object.keys(tree).find((each) => isEqual(keysOf(each) ?? null, first));
  const below = part === undefined ? undefined : tree[part];
  return below !== undefined && holds(below, rest);
}
