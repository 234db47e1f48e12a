import type { ErrorObject } from "ajv/dist/2020.js";
import type { Finding, Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import type { ProblemCode } from "../problem-table.ts";
import { didYouMean } from "../rules/nearest.ts";
import { shapeOf } from "./patterns.ts";

/** What a document is called in messages, and what is known about keys that it does not have. */
export interface Subject {
  /** "a service", "waybill.yaml" */
  readonly name: string;
  /** For a key that is not among the subject's own fields: the whole message, if there is more to say than that. */
  readonly foreignKey?: (key: string, path: Path) => { code: ProblemCode; message: string } | undefined;
}

/** The schema's errors as findings in people's words: one for each value that is wrong, however many keywords say so. */
export function explain(errors: readonly ErrorObject[], document: unknown, subject: Subject): Finding[] {
  const findings = new Map<string, Finding>();
  for (const error of withoutBranches(errors)) {
    const finding = explainOne(error, pathOf(error.instancePath, document), subject);
    if (finding === undefined) continue;
    const own = finding.code === "FIELD_MISSING" ? finding.message : "";
    const key = `${JSON.stringify(finding.path)} ${own}`;
    if (!findings.has(key)) findings.set(key, finding);
  }
  return [...findings.values()];
}

/** Why each branch of a choice did not fit says less than that none did. */
function withoutBranches(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const choices = errors.filter(({ keyword }) => keyword === "anyOf" || keyword === "oneOf");
  if (choices.length === 0) return errors;
  const prefixes = choices.map(({ schemaPath }) => `${schemaPath}/`);
  return errors.filter(({ schemaPath }) => !prefixes.some((prefix) => schemaPath.startsWith(prefix)));
}

/** A JSON pointer (RFC 6901) as a path into `document`. */
export function pathOf(pointer: string, document: unknown): Path {
  const path: (string | number)[] = [];
  let value = document;
  for (const part of pointer.split("/").slice(1)) {
    const step = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) {
      path.push(Number(step));
      value = value[Number(step)];
    } else {
      path.push(step);
      value = (value as Record<string, unknown> | undefined)?.[step];
    }
  }
  return path;
}

function explainOne(error: ErrorObject, path: Path, subject: Subject): Finding | undefined {
  const label = path.length === 0 ? subject.name : formatPath(path);
  const value = (code: ProblemCode, message: string): Finding => ({ path, at: "value", code, message });
  switch (error.keyword) {
    case "additionalProperties":
      return unknownKey(error, path, subject);
    case "required": {
      const missing = String(error.params.missingProperty);
      return { ...value("FIELD_MISSING", `${label} needs "${missing}": add it`), missing };
    }
    case "type":
      return wrongType(error, path, label);
    case "enum":
    case "const":
      return wrongChoice(error, path, label);
    case "pattern":
      return wrongShape(error, path, label);
    case "false schema":
      return value("FIELD_CONFLICT", `${label} may not stand beside ${rivalOf(error)}: keep one of the two`);
    case "propertyNames":
    case "if":
      // Said already by the errors within.
      return undefined;
    case "uniqueItems":
      return value("FIELD_VALUE", `${label} holds the same thing twice`);
    default:
      return value("FIELD_VALUE", `${label} ${limitText(error)}, found ${show(error.data)}`);
  }
}

/** The field that rules this one out. */
function rivalOf({ schemaPath }: ErrorObject): string {
  return /dependentSchemas\/([^/]+)\//.exec(schemaPath)?.[1] ?? "what is there";
}

function unknownKey(error: ErrorObject, path: Path, subject: Subject): Finding {
  const key = String(error.params.additionalProperty);
  const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {});
  const at = { path: [...path, key], at: "key" } as const;
  const foreign = subject.foreignKey?.(key, path);
  if (foreign !== undefined) return { ...at, ...foreign };
  const owner = path.length === 0 ? subject.name : formatPath(path);
  const hint = didYouMean(key, known) || (known.length > 12 ? "" : ` It has ${known.join(", ") || "none"}.`);
  return { ...at, code: "FIELD_UNKNOWN", message: `${show(key)} is not a field of ${owner}.${hint}` };
}

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "a map",
  array: "a list",
};

function wrongType(error: ErrorObject, path: Path, label: string): Finding {
  if (error.data === null) {
    const message = `${label} has no value: give it one, or remove the key`;
    return { path, at: "value", code: "FIELD_EMPTY", message };
  }
  const types: string[] = [error.params.type as string | string[]].flat();
  const wanted = types.map((type) => typeNames[type] ?? type).join(" or ");
  const isQuotable = types.includes("string") && (typeof error.data === "number" || typeof error.data === "boolean");
  const hint = isQuotable ? ": put it in quotes" : "";
  const message = `${label} must be ${wanted}, found ${show(error.data)}${hint}`;
  return { path, at: "value", code: "FIELD_TYPE", message };
}

function wrongChoice(error: ErrorObject, path: Path, label: string): Finding {
  const { data } = error;
  if (data === null) return { path, at: "value", code: "FIELD_EMPTY", message: `${label} has no value: give it one` };
  const choices = ((error.parentSchema?.enum as unknown[] | undefined) ?? [error.schema]).map(String);
  const code = choiceCode(path);
  const hint = typeof data === "string" ? didYouMean(data, choices) : "";
  const message = `${label} ${show(data)} is not one of ${choices.join(", ")}.${hint}`;
  return { path, at: "value", code, message };
}

function choiceCode(path: Path): ProblemCode {
  if (path.length !== 1) return "FIELD_VALUE";
  if (path[0] === "apiVersion") return "API_VERSION_UNKNOWN";
  return path[0] === "kind" ? "KIND_UNKNOWN" : "FIELD_VALUE";
}

function wrongShape(error: ErrorObject, path: Path, label: string): Finding {
  const shape = shapeOf(String(error.params.pattern));
  const wanted = shape?.wanted ?? `text that matches ${String(error.params.pattern)}`;
  const code = shape?.code ?? "FIELD_VALUE";
  if (error.propertyName !== undefined) {
    const message = `key ${show(error.propertyName)} of ${label} is not ${wanted}`;
    return { path: [...path, error.propertyName], at: "key", code, message };
  }
  return { path, at: "value", code, message: `${label} ${show(error.data)} is not ${wanted}` };
}

function limitText(error: ErrorObject): string {
  const limit = String(error.params.limit);
  switch (error.keyword) {
    case "minimum":
      return `must be at least ${limit}`;
    case "maximum":
      return `must be at most ${limit}`;
    case "exclusiveMinimum":
      return `must be more than ${limit}`;
    case "minLength":
      return "may not be empty";
    case "maxLength":
      return `may have at most ${limit} characters`;
    case "minItems":
    case "minProperties":
      return `must have at least ${limit}`;
    case "maxItems":
    case "maxProperties":
      return `may have at most ${limit}`;
    case "anyOf":
    case "oneOf":
      return "fits none, or more than one, of the shapes that its schema offers";
    case "format":
      return `must be of format ${String(error.params.format)}`;
    case "not":
      return "is ruled out by its schema";
    case "multipleOf":
      return `must be a multiple of ${String(error.params.multipleOf)}`;
    default:
      return error.message ?? "is not allowed";
  }
}

/** A value as people wrote it, shortened. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length <= 80 ? value : `${value.slice(0, 80)}…`);
  }
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0 ? "an empty map" : "a map";
  return String(value);
}
