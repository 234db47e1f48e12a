import type { DetailedDiff, DiffKind, Json, Properties } from "../provider.ts";
import { formatPath, parsePath, takenFrom, type PropertyPath } from "./property-path.ts";
import { isEqual, isList, isMap } from "./value.ts";

type MutableDiff = Record<string, DiffKind>;

/** Every path at which two property maps differ, as deep as both have structure. Expects revealed values. */
export function structuralDiff(oldProperties: Properties, newProperties: Properties): DetailedDiff {
  const diff: MutableDiff = {};
  compareMaps(oldProperties, newProperties, [], diff);
  return diff;
}

function compare(before: Json | undefined, after: Json | undefined, path: PropertyPath, diff: MutableDiff): void {
  if (before === undefined && after === undefined) return;
  if (before === undefined) diff[formatPath(path)] = "add";
  else if (after === undefined) diff[formatPath(path)] = "delete";
  else if (isList(before) && isList(after)) {
    const length = Math.max(before.length, after.length);
    for (let index = 0; index < length; index++) compare(before[index], after[index], [...path, index], diff);
  } else if (isMap(before) && isMap(after)) compareMaps(before, after, path, diff);
  else if (!isEqual(before, after)) diff[formatPath(path)] = "update";
}

function compareMaps(before: Properties, after: Properties, path: PropertyPath, diff: MutableDiff): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const own = (map: Properties): Json | undefined => (Object.hasOwn(map, key) ? map[key] : undefined);
    compare(own(before), own(after), [...path, key], diff);
  }
}

/** The program's `ignoreChanges`: the old values put back, whether added, changed or removed since. */
export function withIgnored(oldInputs: Properties, newInputs: Properties, ignored: readonly string[]): Properties {
  return ignored.reduce<Properties>((inputs, text) => {
    const path = parsePath(text);
    return path === null ? inputs : (takenFrom(inputs, oldInputs, path) as Properties);
  }, newInputs);
}
