import { WaybillError } from "../../core/errors.ts";
import { unkeepable } from "../../core/text.ts";
import { placeholdersOf, withParameters } from "../../spec/parameters/command.ts";
import { parameterProblems } from "../../spec/parameters/parameters.ts";
import { propertiesOf, propertyOf } from "../../spec/parameters/properties.ts";
import { isReference } from "../../spec/parameters/references.ts";
import { sharedVariables } from "../../spec/parameters/variable.ts";
import type { ResolvedJob } from "../../spec/resolved.ts";
import type { ParameterValues } from "../run.ts";

// A variable of the environment is 128 KiB at most (MAX_ARG_STRLEN, execve(2)).
const maxBytes = 100 * 1024;

interface Given {
  /** The schedule that the run comes from; null for a person's. */
  readonly schedule: string | null;
  readonly values: ParameterValues;
}

/** Something wrong with a run's values: of one parameter, or of all together (null). */
export interface ParameterFault {
  readonly parameter: string | null;
  readonly message: string;
}

/** The values of a run: the file's, the schedule's over them, the run's over both. Throws PARAMETERS_INVALID with all that is wrong. */
export function runParameters(job: ResolvedJob, given: Given): ParameterValues {
  refuse(job, parameterFaults(job, given));
  return mergedValues(job, given);
}

function refuse(job: ResolvedJob, faults: readonly ParameterFault[]): void {
  if (faults.length === 0) return;
  const messages = faults.map(({ message }) => message);
  throw new WaybillError("PARAMETERS_INVALID", `${job.name}: ${messages.join("\n")}`);
}

/** All that is wrong with the values of a run, parameter by parameter. */
export function parameterFaults(job: ResolvedJob, given: Given): readonly ParameterFault[] {
  const merged = mergedValues(job, given);
  const passing = passingFaults(merged);
  return [
    ...hiddenFaults(job, given.values),
    ...(passing.length > 0 ? passing : schemaFaults(job, merged)),
    ...commandFaults(job, merged),
  ];
}

/**
 * Of a run whose values were checked with its file, or when it was accepted: throws PARAMETERS_INVALID for what keeps
 * its program from being given them, which a file that was deployed long ago may have.
 */
export function refuseUnfit(job: ResolvedJob, values: ParameterValues): void {
  refuse(job, [...passingFaults(values), ...commandFaults(job, values)]);
}

function mergedValues(job: ResolvedJob, { schedule, values }: Given): ParameterValues {
  const ofSchedule = job.schedules.find(({ name }) => name === schedule);
  return { ...(ofSchedule?.parameters ?? job.parameters.values), ...values };
}

/** Parameters whose values are references to secrets, by name. */
export function secretParameters(job: ResolvedJob, values: ParameterValues): ReadonlyMap<string, string> {
  const references = Object.entries(values).flatMap(([name, value]) =>
    propertyOf(job.parameters.schema, name)["writeOnly"] === true && isReference(value)
      ? [[name, value.secret] as const]
      : [],
  );
  return new Map(references);
}

/** `readOnly` (JSON Schema 2020-12, Validation, 9.4): the file alone says what it is. */
export const isHidden = ({ parameters: { schema } }: ResolvedJob, name: string): boolean =>
  propertyOf(schema, name)["readOnly"] === true;

function hiddenFaults(job: ResolvedJob, values: ParameterValues): readonly ParameterFault[] {
  const hidden = Object.keys(values).filter((name) => isHidden(job, name));
  return hidden.map((name) => ({
    parameter: name,
    message: `parameter ${JSON.stringify(name)} is set by the file alone: leave it out`,
  }));
}

const ofAll = (message: string): ParameterFault => ({ parameter: null, message });

/** What keeps a program from being given the values, whatever their schema says. */
function passingFaults(values: ParameterValues): readonly ParameterFault[] {
  const bytes = Buffer.byteLength(JSON.stringify(values));
  if (bytes > maxBytes) {
    return [ofAll(`the parameters are ${bytes} bytes as JSON, and at most ${maxBytes} are handed over`)];
  }
  const fault = unkeepable(values);
  return fault === null ? sharedVariables(Object.keys(values)).map(ofAll) : [ofAll(`a parameter ${fault}`)];
}

const schemaFaults = ({ parameters: { schema } }: ResolvedJob, values: ParameterValues): readonly ParameterFault[] =>
  parameterProblems(schema, values).map(({ path, missing, message }) => ({
    parameter: typeof path[0] === "string" ? path[0] : (missing ?? null),
    message,
  }));

function commandFaults(job: ResolvedJob, values: ParameterValues): readonly ParameterFault[] {
  if (job.command === null) return [];
  const declared = propertiesOf(job.parameters.schema);
  const missing = [...placeholdersOf(job.command)].filter(
    (name) => Object.hasOwn(declared, name) && !Object.hasOwn(values, name),
  );
  const faults = missing.map((name) => ({
    parameter: name,
    message: `the command wants {{ ${name} }}, and it has no value: give it one`,
  }));
  try {
    withParameters(job.command, new Set(Object.keys(values)));
    return faults;
  } catch (error) {
    return [...faults, ofAll((error as TypeError).message)];
  }
}
