import type { ValidateFunction } from "ajv/dist/2020.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormatsModule from "ajv-formats";
import { messageOf } from "../../core/errors.ts";
import type { Finding } from "../problem.ts";
import { explain } from "../schema/explain.ts";
import type { StepBudget } from "./pattern.ts";
import { compilePattern, PatternTooSlow } from "./pattern.ts";
import type { SchemaCost } from "./schema-limits.ts";
import { referenceProblems, secretNames, withoutSecrets } from "./references.ts";
import { measureSchema } from "./schema-limits.ts";

/** Finds what is wrong with a schema of parameters, or else with values under it. Paths start at the one or the other. */
export type ParameterCheck = (schema: unknown, values: unknown) => readonly Finding[];

const addFormats = addFormatsModule.default;
const formats = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"] as const;
const maxPatternSteps = 5_000_000;
// Subschemas times values: about a second of work on a slow machine.
const maxWork = 5_000_000;
const maxRemembered = 500;

type Compiled =
  | { readonly findings: readonly Finding[] }
  | { readonly validate: ValidateFunction; readonly cost: SchemaCost; readonly secrets: readonly string[] };

interface Compiler {
  readonly ajv: Ajv2020;
  /** Of the validation that is going on. */
  readonly budget: StepBudget;
}

/**
 * What is wrong with `values` under the JSON Schema `schema`, or with the schema itself: codes PARAMETER_SCHEMA and
 * PARAMETER_PATTERN have paths within the schema, PARAMETER_INVALID within the values. Bounded in time for any input.
 */
export const parameterProblems: ParameterCheck = makeParameterCheck();

/** Compiling takes milliseconds, and a job's schema is asked about again for each schedule and run: some are remembered. */
function makeParameterCheck(): ParameterCheck {
  const remembered = new Map<string, Compiled>();
  // The same object is asked about for a job's values and for each of its schedules.
  const recent = new WeakMap<object, Compiled>();
  let compiler: Compiler | undefined;
  return (schema, values) => {
    compiler ??= makeCompiler();
    const isObject = typeof schema === "object" && schema !== null;
    const same = isObject ? recent.get(schema) : undefined;
    if (same !== undefined) return problemsUnder(same, values, compiler.budget);
    const key = JSON.stringify(schema);
    let compiled = remembered.get(key);
    if (compiled === undefined) {
      if (remembered.size >= maxRemembered) remembered.clear();
      compiled = compile(compiler, schema);
      remembered.set(key, compiled);
    }
    if (isObject) recent.set(schema, compiled);
    return problemsUnder(compiled, values, compiler.budget);
  };
}

function compile({ ajv, budget }: Compiler, schema: unknown): Compiled {
  const fault = (message: string): Compiled => ({
    findings: [{ path: [], at: "value", code: "PARAMETER_SCHEMA", message }],
  });
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) {
    return fault("the schema of parameters must be a map");
  }
  const measured = measureSchema(schema);
  if ("findings" in measured) return measured;
  const secrets = secretNames(schema);
  const checked = withoutSecrets(schema, secrets);
  try {
    // Compiling checks the schema itself, by patterns too.
    budget.steps = maxPatternSteps;
    return { validate: ajv.compile(checked), cost: measured.cost, secrets };
  } catch (error) {
    const reason = messageOf(error)
      .replace(/^strict mode: /, "")
      .slice(0, 200);
    return fault(`the schema of parameters is not JSON Schema 2020-12: ${reason}`);
  } finally {
    // It would keep every schema that it has seen.
    ajv.removeSchema(checked);
  }
}

function makeCompiler(): Compiler {
  const budget: StepBudget = { steps: 0 };
  const regExp = Object.assign(
    (source: string) => {
      const matches = compilePattern(source);
      // ajv takes patterns of the same text for the same.
      return { test: (text: string) => matches(text, budget), toString: () => source };
    },
    // Only for writing validators to a file, which is not done with these.
    { code: "compilePattern" },
  );
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    strictTuples: false,
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    logger: false,
    code: { regExp },
  });
  addFormats(ajv, { mode: "fast", formats: [...formats] });
  return { ajv, budget };
}

function problemsUnder(compiled: Compiled, values: unknown, budget: StepBudget): readonly Finding[] {
  if ("findings" in compiled) return compiled.findings;
  const { validate, cost, secrets } = compiled;
  const misplaced = referenceProblems(secrets, values);
  const refuse = (message: string): Finding[] => [{ path: [], at: "value", code: "PARAMETER_INVALID", message }];
  const count = countValues(values, maxWork);
  if (cost.expanded * count + cost.pairwise * count * count > maxWork) {
    return refuse("there are too many values to check under this schema");
  }
  budget.steps = maxPatternSteps;
  try {
    if (validate(values)) return misplaced;
  } catch (error) {
    if (error instanceof RangeError) return refuse("the values are nested too deep for this schema");
    if (error instanceof PatternTooSlow) return refuse("a value is too long to be matched with its pattern");
    throw error;
  }
  const found = explain(validate.errors ?? [], values, { name: "the set of parameters" });
  return [...misplaced, ...found.map((finding) => ({ ...finding, code: "PARAMETER_INVALID" as const }))];
}

function countValues(root: unknown, limit: number): number {
  const pending = [root];
  let count = 0;
  while (pending.length > 0 && count < limit) {
    const value = pending.pop();
    count += 1;
    if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) pending.push(inner);
  }
  return count;
}
