import { WaybillError } from "../../core/errors.ts";
import { parameterProblems } from "../../spec/parameters/parameters.ts";
import type { ResolvedJob } from "../../spec/resolved.ts";
import type { ParameterValues } from "../run.ts";
import { placeholdersOf, withParameters } from "./command.ts";
import { isReference, parameterVariable } from "./environment.ts";

// A variable of the environment is 128 KiB at most (MAX_ARG_STRLEN, execve(2)).
const maxBytes = 100 * 1024;

interface Given {
  /** The schedule that the run comes from; null for a person's. */
  readonly schedule: string | null;
  readonly values: ParameterValues;
}

/** The values of a run: the file's, the schedule's over them, the run's over both. Throws PARAMETERS_INVALID with all that is wrong. */
export function runParameters(job: ResolvedJob, { schedule, values }: Given): ParameterValues {
  const ofSchedule = job.schedules.find(({ name }) => name === schedule);
  const merged = { ...(ofSchedule?.parameters ?? job.parameters.values), ...values };
  const problems = [...hiddenProblems(job, values), ...shapeProblems(job, merged), ...commandProblems(job, merged)];
  if (problems.length === 0) return merged;
  throw new WaybillError("PARAMETERS_INVALID", `${job.name}: ${problems.join("\n")}`);
}

/** Parameters whose values are references to secrets, by name. */
export function secretParameters(job: ResolvedJob, values: ParameterValues): ReadonlyMap<string, string> {
  const references = Object.entries(values).flatMap(([name, value]) =>
    propertyOf(job, name)["writeOnly"] === true && isReference(value) ? [[name, value.secret] as const] : [],
  );
  return new Map(references);
}

function propertyOf({ parameters: { schema } }: ResolvedJob, name: string): Readonly<Record<string, unknown>> {
  const properties = schema["properties"];
  if (typeof properties !== "object" || properties === null || !Object.hasOwn(properties, name)) return {};
  const found = (properties as Record<string, unknown>)[name];
  return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : {};
}

/** `readOnly` (JSON Schema 2020-12, Validation, 9.4): the file alone says what it is. */
function hiddenProblems(job: ResolvedJob, values: ParameterValues): readonly string[] {
  const hidden = Object.keys(values).filter((name) => propertyOf(job, name)["readOnly"] === true);
  return hidden.map((name) => `parameter ${JSON.stringify(name)} is set by the file alone: leave it out`);
}

function shapeProblems({ parameters: { schema } }: ResolvedJob, values: ParameterValues): readonly string[] {
  const text = JSON.stringify(values);
  if (Buffer.byteLength(text) > maxBytes) {
    return [`the parameters are ${Buffer.byteLength(text)} bytes as JSON, and at most ${maxBytes} are handed over`];
  }
  // No variable of an environment holds it, nor PostgreSQL's JSON.
  if (text.includes("\\u0000")) return ["a parameter holds the character U+0000: leave it out"];
  const variables = Map.groupBy(Object.keys(values), parameterVariable);
  const shared = [...variables].filter(([, names]) => names.length > 1);
  return [
    ...parameterProblems(schema, values).map(({ message }) => message),
    ...shared.map(([variable, names]) => `parameters ${names.join(" and ")} would both be ${variable}: rename one`),
  ];
}

function commandProblems(job: ResolvedJob, values: ParameterValues): readonly string[] {
  if (job.command === null) return [];
  const properties = job.parameters.schema["properties"];
  const declared = new Set(typeof properties === "object" && properties !== null ? Object.keys(properties) : []);
  const missing = [...placeholdersOf(job.command)].filter((name) => declared.has(name) && !Object.hasOwn(values, name));
  const problems = missing.map((name) => `the command wants {{ ${name} }}, and it has no value: give it one`);
  try {
    withParameters(job.command, new Set(Object.keys(values)));
    return problems;
  } catch (error) {
    return [...problems, (error as TypeError).message];
  }
}
