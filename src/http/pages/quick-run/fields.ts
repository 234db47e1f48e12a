import { isReference } from "../../../spec/parameters/references.ts";
import type { ParameterValues } from "../../../runs/run.ts";
import type { ResolvedJob } from "../../../spec/resolved.ts";

/** How a parameter is asked for. What no simpler field holds is written as JSON. */
export type FieldKind = "text" | "lines" | "integer" | "number" | "choice" | "secret" | "json";

/** One field of the form that a job's parameter schema makes. */
export interface Field {
  /** The parameter; null for the field of all those that the schema does not name. */
  readonly parameter: string | null;
  /** Its name in the form: no parameter is called as something else there. */
  readonly input: string;
  readonly label: string;
  readonly description: string;
  readonly kind: FieldKind;
  /** Must not stay empty: the schema wants it, and the file has no value for it. */
  readonly isRequired: boolean;
  /** Of a choice: what it may be, as JSON. */
  readonly choices: readonly string[];
  /** What it shows at first; empty for nothing. */
  readonly initial: string;
}

type Schema = Readonly<Record<string, unknown>>;

const furtherInput = "further";

/** The fields for a job's parameters, in the order of the schema; `values` are shown in place of the file's. */
export function formFields({ parameters }: ResolvedJob, values: ParameterValues = parameters.values): readonly Field[] {
  const { schema } = parameters;
  const properties = Object.entries(mapOf(schema["properties"]));
  const required = Array.isArray(schema["required"]) ? (schema["required"] as readonly unknown[]) : [];
  const open = properties.filter(([, property]) => mapOf(property)["readOnly"] !== true);
  const fields = open.map(([name, property]) => {
    const isRequired = required.includes(name) && !Object.hasOwn(parameters.values, name);
    return makeField(name, mapOf(property), {
      isRequired,
      value: Object.hasOwn(values, name) ? values[name] : undefined,
    });
  });
  if (schema["additionalProperties"] === false) return fields;
  const known = new Set(properties.map(([name]) => name));
  const further = Object.entries(values).filter(([name]) => !known.has(name));
  return [...fields, furtherField(Object.fromEntries(further))];
}

/** The parameters that the file alone sets, with their values. */
export function fixedParameters({
  parameters: { schema, values },
}: ResolvedJob): readonly (readonly [string, unknown])[] {
  const properties = Object.entries(mapOf(schema["properties"]));
  return properties
    .filter(([name, property]) => mapOf(property)["readOnly"] === true && Object.hasOwn(values, name))
    .map(([name]) => [name, values[name]] as const);
}

const mapOf = (value: unknown): Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};

const textAt = (schema: Schema, key: string): string => (typeof schema[key] === "string" ? schema[key] : "");

function makeField(
  name: string,
  schema: Schema,
  { isRequired, value = schema["default"] }: { isRequired: boolean; value: unknown },
): Field {
  const kind = kindOf(schema, value);
  return {
    parameter: name,
    input: `parameter-${name}`,
    label: textAt(schema, "title") || name,
    description: textAt(schema, "description"),
    kind,
    isRequired,
    choices: kind === "choice" ? choicesOf(schema).map((choice) => JSON.stringify(choice)) : [],
    initial: value === undefined ? "" : fieldText(kind, value),
  };
}

const furtherField = (values: ParameterValues): Field => ({
  parameter: null,
  input: furtherInput,
  label: "Further parameters",
  description: 'A map, such as {"rows": 100}.',
  kind: "json",
  isRequired: false,
  choices: [],
  initial: Object.keys(values).length === 0 ? "" : JSON.stringify(values, null, 2),
});

/** A value that does not fit the simple field, as a file before the last may have it, is shown as JSON. */
function kindOf(schema: Schema, value: unknown): FieldKind {
  if (schema["writeOnly"] === true) return value === undefined || isReference(value) ? "secret" : "json";
  if (choicesOf(schema).length > 0) return "choice";
  const { type } = schema;
  if (type === "integer" || type === "number") return value === undefined || typeof value === "number" ? type : "json";
  if (type !== "string" || (value !== undefined && typeof value !== "string")) return "json";
  return value?.includes("\n") === true ? "lines" : "text";
}

function choicesOf(schema: Schema): readonly unknown[] {
  if (Array.isArray(schema["enum"])) return schema["enum"];
  if (Object.hasOwn(schema, "const")) return [schema["const"]];
  return schema["type"] === "boolean" ? [true, false] : [];
}

function fieldText(kind: FieldKind, value: unknown): string {
  if (kind === "secret" && isReference(value)) return value.secret;
  if (kind === "json") return JSON.stringify(value, null, 2);
  return typeof value === "string" && kind !== "choice" ? value : JSON.stringify(value);
}

export interface ReadFields {
  readonly values: ParameterValues;
  /** By input: what is wrong with what was typed. */
  readonly faults: ReadonlyMap<string, string>;
}

/** What was typed, as values; a field that stays empty gives none. */
export function readFields(fields: readonly Field[], typed: (input: string) => string): ReadFields {
  const values = new Map<string, unknown>();
  const faults = new Map<string, string>();
  for (const field of fields) {
    const read = readField(field, typed(field.input));
    if (read === null) {
      if (field.isRequired) faults.set(field.input, "This one is needed.");
    } else if ("fault" in read) faults.set(field.input, read.fault);
    else if (field.parameter !== null) values.set(field.parameter, read.value);
    else for (const [name, value] of Object.entries(read.value as object)) values.set(name, value);
  }
  return { values: Object.fromEntries(values), faults };
}

type Read = { readonly value: unknown } | { readonly fault: string } | null;

function readField({ kind, initial, choices, parameter }: Field, typed: string): Read {
  const text = typed.trim();
  // A text that was there and was emptied is meant to be empty.
  if (kind === "text" || kind === "lines") {
    return typed === "" && initial === "" ? null : { value: typed.replaceAll("\r\n", "\n") };
  }
  if (text === "") return null;
  if (kind === "secret") return { value: { secret: text } };
  if (kind === "integer" || kind === "number") return readNumber(kind, text);
  if (kind === "choice") {
    return choices.includes(text)
      ? { value: JSON.parse(text) }
      : { fault: `${text.slice(0, 40)} is none of the choices.` };
  }
  return readJson(text, parameter === null);
}

function readNumber(kind: "integer" | "number", text: string): Read {
  const shown = JSON.stringify(text.slice(0, 40));
  const isNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && Number.isFinite(Number(text));
  if (!isNumber) return { fault: `${shown} is no number.` };
  const value = Number(text);
  if (kind === "integer" && !Number.isInteger(value)) return { fault: `${shown} is no whole number.` };
  // Beyond it, the neighbour would be taken.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return { fault: `${shown} is larger than ${Number.MAX_SAFE_INTEGER}, which is the most that arrives as it is.` };
  }
  return { value };
}

function readJson(text: string, isMap: boolean): Read {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: 'This is no JSON: texts are in double quotes, as in {"name": ["a", "b"]}.' };
  }
  const isGood = !isMap || (typeof value === "object" && value !== null && !Array.isArray(value));
  return isGood ? { value } : { fault: "This is no map of names and values." };
}
