import { parameterVariable } from "../../spec/parameters/variable.ts";
import type { ParameterValues } from "../run.ts";

/** A parameter whose value is a secret, by its name. */
export interface SecretReference {
  readonly secret: string;
}

export function isReference(value: unknown): value is SecretReference {
  if (typeof value !== "object" || value === null) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && "secret" in value && typeof value.secret === "string";
}

/** All of them as JSON, and each by itself: text as it is, everything else as JSON. Secrets come by another way. */
export function parameterEnvironment(
  values: ParameterValues,
  secretNames: ReadonlySet<string>,
): Readonly<Record<string, string>> {
  const own = Object.entries(values).filter(([name]) => !secretNames.has(name));
  return {
    WAYBILL_PARAMETERS: JSON.stringify(values),
    ...Object.fromEntries(own.map(([name, value]) => [parameterVariable(name), textOf(value)])),
  };
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
