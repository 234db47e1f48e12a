import type { Json } from "../../../engine/provider.ts";
import { isList, isMap, isEqual, mapValues } from "../../../engine/value/value.ts";
import type { KubeObject } from "../cluster/object.ts";
import { placeIn, type Applied } from "./find-drift.ts";
import { hasKeys, keysOf, type FieldTree, type ManagedFields, type Path } from "./field-tree.ts";
import { lostFields, unsealed, type LostField } from "./lost-fields.ts";
import { isPartOfCluster } from "./traces.ts";

/** A list as it is to be, where others have put elements in the place of ours. */
export interface Takeover {
  /** As RFC 6901 has it: `/spec/ports`. */
  readonly pointer: string;
  readonly elements: readonly Json[];
}

/**
 * The lists of an object in which elements of ours are gone and others stand. Lists are merged by their elements' keys:
 * an apply puts ours back beside those, and is refused where both have one name, as the ports of a Service do. What the
 * cluster and its controllers put there stays. Pure.
 */
export function takeoversOf(applied: Applied, live: KubeObject): readonly Takeover[] {
  const place = placeIn(applied, live);
  const lists = new Map<string, Path>();
  for (const lost of lostFields(place)) {
    for (const path of listsOf(lost)) lists.set(JSON.stringify(path), path);
  }
  const managers = (live.metadata.managedFields ?? []) as readonly ManagedFields[];
  const isOwn = ({ manager = "" }: ManagedFields): boolean =>
    manager.startsWith("waybill") || manager === place.manager;
  const own = managers.filter(isOwn);
  const foreign = managers.filter(
    (each) => !isOwn(each) && each.subresource !== "status" && !isPartOfCluster(each.manager),
  );
  return [...lists.values()].flatMap((path) => {
    const found = lookUp(live as unknown as Json, path);
    const wanted = lookUp(opened(place.applied ?? null), path);
    if (!found || !isList(found.value) || !wanted || !isList(wanted.value)) return [];
    const theirs = partsAt(foreign, path);
    const ours = partsAt(own, path);
    const isTheirs = (element: Json): boolean => isAmong(theirs, element) && !isAmong(ours, element);
    const kept = found.value.filter((element) => !isTheirs(element));
    const [keys = {}] = theirs;
    const missing = wanted.value.filter((element) => !kept.some((other) => isSame(element, other, Object.keys(keys))));
    // What was only added is not ours to take away.
    if (kept.length === found.value.length || missing.length === 0) return [];
    return [{ pointer: found.pointer, elements: [...kept, ...missing] }];
  });
}

/** Those that a field lies in, and itself where it is a list of which nothing is ours any more. */
function listsOf({ path, wanted, found }: LostField): readonly Path[] {
  const around = path.flatMap((part, index) => (typeof part === "object" ? [path.slice(0, index)] : []));
  return isList(wanted) && isList(found) ? [...around, path] : around;
}

const opened = (value: Json): Json => {
  const plain = unsealed(value) ?? null;
  if (isList(plain)) return plain.map(opened);
  return isMap(plain) ? mapValues(plain, opened) : plain;
};

/** Where a path leads in an object; null where there is nothing. */
function lookUp(value: Json, path: Path): { readonly value: Json; readonly pointer: string } | null {
  let at = value;
  let pointer = "";
  for (const part of path) {
    const key = typeof part === "string" ? part : isList(at) ? at.findIndex((each) => hasKeys(each, part)) : -1;
    const next = typeof key === "string" ? (isMap(at) ? at[key] : undefined) : isList(at) ? at[key] : undefined;
    if (next === undefined) return null;
    at = next;
    pointer += `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`;
  }
  return { value: at, pointer };
}

type Keys = Readonly<Record<string, Json>>;

/** The elements of a list that the managers have, by their keys. */
function partsAt(managers: readonly ManagedFields[], path: Path): readonly Keys[] {
  return managers.flatMap(({ fieldsV1 }) => {
    const tree = path.reduce<FieldTree | undefined>((at, part) => at && below(at, part), fieldsV1);
    return Object.keys(tree ?? {}).flatMap((part): readonly Keys[] => {
      const keys = keysOf(part);
      return keys === null ? [] : [keys];
    });
  });
}

function below(tree: FieldTree, part: Path[number]): FieldTree | undefined {
  if (typeof part === "string") return tree[`f:${part}`];
  const name = Object.keys(tree).find((each) => {
    const keys = keysOf(each);
    return keys !== null && hasKeys(keys, part);
  });
  return name === undefined ? undefined : tree[name];
}

const isAmong = (parts: readonly Keys[], element: Json): boolean => parts.some((keys) => hasKeys(element, keys));

const isSame = (one: Json, other: Json, keys: readonly string[]): boolean =>
  isMap(one) && isMap(other) && keys.every((key) => isEqual(one[key], other[key]));
