import { isDeepStrictEqual } from "node:util";
import { WaybillError } from "../../core/errors.ts";
import type { DiffRequest, DiffResult, Properties } from "../../engine/provider.ts";

/** The inputs that differ, by name. */
export function changedInputs({ oldInputs, newInputs, ignoreChanges }: DiffRequest): readonly string[] {
  const names = new Set([...Object.keys(oldInputs), ...Object.keys(newInputs)]);
  return [...names].filter(
    (name) => !ignoreChanges.includes(name) && !isDeepStrictEqual(oldInputs[name], newInputs[name]),
  );
}

/** For resources that never change: any difference makes a new one. */
export function replacedBy(request: DiffRequest): DiffResult {
  const replaces = changedInputs(request);
  return { changes: replaces.length > 0, replaces };
}

/** A property that must be text. */
export function textOf(properties: Properties, name: string): string {
  const value = properties[name];
  if (typeof value === "string") return value;
  throw new WaybillError("BUG", `the property ${name} is ${typeof value}; wanted is text`);
}
