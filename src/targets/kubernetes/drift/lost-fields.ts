import type { Json } from "../../../engine/provider.ts";
import { isEqual, isList, isMap, signatureKey } from "../../../engine/value/value.ts";
import { hasKeys, keysOf, type FieldTree, type Path, type PathPart } from "./field-tree.ts";

/** A field that was applied and is not the applier's any more. */
export interface LostField {
  readonly path: Path;
  /** As it was once it was applied. */
  readonly wanted: Json;
  /** Undefined: it is gone. */
  readonly found: Json | undefined;
  /** Neither value is to be shown. */
  readonly isSecret: boolean;
}

/** One place in an object, as it was declared, as it was once applied, and as it is. */
export interface Place {
  readonly declared: Json;
  readonly applied: Json | undefined;
  readonly live: Json | undefined;
  /** What the applier still has of it; undefined where it has nothing. */
  readonly own: FieldTree | undefined;
  readonly isSecret: boolean;
}

/**
 * What was taken from the applier and is otherwise than it was. Who has a field decides first: what the cluster adds,
 * completes or writes otherwise is nobody's loss, and what is ours is as we applied it.
 */
export function* lostFields(place: Place, path: Path = []): Generator<LostField> {
  const { own, live } = place;
  const declared = unsealed(place.declared) ?? null;
  // The cluster leaves out what is null, and lists without elements.
  if (declared === null || (own && isAll(own))) return;
  if (isList(declared) && declared.length === 0 && live === undefined) return;
  const isSecret = place.isSecret || isSealed(place.declared) || isSealed(place.applied);
  const opened = { ...place, declared, applied: unsealed(place.applied), isSecret };
  const wanted = opened.applied ?? declared;
  if (isMap(declared) && (own || isMap(live))) yield* lostInMap(opened, declared, path);
  else if (isList(declared) && own) yield* lostInList({ ...opened, own }, declared, path);
  else if (!own && !isEqual(live, wanted)) yield { path, wanted, found: live, isSecret };
}

const isAll = (own: FieldTree): boolean => Object.keys(own).length === 0;
const isSealed = (value: Json | undefined): boolean => isMap(value) && value[signatureKey] !== undefined;

/** A secret as an export with its secrets has it; its value, at any depth. */
export function unsealed(value: Json | undefined): Json | undefined {
  if (!isMap(value) || value[signatureKey] === undefined) return value;
  return typeof value["plaintext"] === "string" ? (JSON.parse(value["plaintext"]) as Json) : undefined;
}
const fieldOf = (value: Json | undefined, key: string): Json | undefined => (isMap(value) ? value[key] : undefined);

function* lostInMap(place: Place, declared: Readonly<Record<string, Json>>, path: Path): Generator<LostField> {
  const { applied, live, own, isSecret } = place;
  for (const [key, value] of Object.entries(declared)) {
    const below = {
      declared: value,
      applied: fieldOf(applied, key),
      live: fieldOf(live, key),
      own: own?.[`f:${key}`],
      isSecret,
    };
    yield* lostFields(below, [...path, key]);
  }
}

function* lostInList(
  place: Place & { readonly own: FieldTree },
  declared: readonly Json[],
  path: Path,
): Generator<LostField> {
  const { applied, live, own, isSecret } = place;
  const parts = Object.keys(own);
  for (const [index, element] of declared.entries()) {
    const part = parts.find((each) => isPartFor(each, element));
    const keys: PathPart = (part && keysOf(part)) ?? namesOf(element) ?? String(index);
    const elementOf = (list: Json | undefined): Json | undefined =>
      isList(list)
        ? list.find((each) => (typeof keys === "string" ? isEqual(each, element) : hasKeys(each, keys)))
        : undefined;
    const below = { declared: element, applied: elementOf(applied), live: elementOf(live), isSecret };
    yield* lostFields({ ...below, own: part === undefined ? undefined : own[part] }, [...path, keys]);
  }
}

function isPartFor(part: string, element: Json): boolean {
  const keys = keysOf(part);
  if (keys) return hasKeys(element, keys);
  return part.startsWith("v:") && isEqual(JSON.parse(part.slice(2)) as Json, element);
}

// Of the lists that have keys: ports, containers, variables, mounts and volumes.
const keyNames = ["name", "port", "containerPort", "mountPath", "topologyKey", "ip", "uid"];

/** How an element is named whose keys nobody tells of any more. */
function namesOf(element: Json): Readonly<Record<string, Json>> | null {
  const name = keyNames.find((each) => fieldOf(element, each) !== undefined);
  return name === undefined || !isMap(element) ? null : { [name]: element[name] ?? null };
}
