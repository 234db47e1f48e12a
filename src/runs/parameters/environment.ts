import { parameterVariable } from "../../spec/parameters/variable.ts";
import type { ParameterValues } from "../run.ts";

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
