import type { Finding, Path } from "../problem.ts";
import { compilePattern } from "./pattern.ts";
import { PatternRefused } from "./pattern-syntax.ts";

/** What validating with a schema costs, so that it can be bounded before it begins. */
export interface SchemaCost {
  /** Subschemas, each `$ref` counted as what it refers to. */
  readonly expanded: number;
  /** How many of them compare all items with each other. */
  readonly pairwise: number;
}

export type MeasuredSchema = { readonly cost: SchemaCost } | { readonly findings: readonly Finding[] };

const maxNodes = 2000;
const maxDepth = 32;
const maxExpanded = 10_000;
// Values, not schemas, stand under these.
const data = new Set(["const", "default", "enum", "examples"]);
const refusedKeywords = new Set([
  "$id",
  "$anchor",
  "$dynamicRef",
  "$dynamicAnchor",
  "$recursiveRef",
  "$recursiveAnchor",
]);

// Under these stand schemas by names, which may be those of keywords.
const byName = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);

interface Walk {
  readonly root: unknown;
  readonly findings: Finding[];
  readonly sizes: Map<object, SchemaCost | "open">;
  nodes: number;
}

/** Refuses schemas whose validation cannot be bounded: too large, recursive, or with patterns that need backtracking. */
export function measureSchema(schema: unknown): MeasuredSchema {
  const walk: Walk = { root: schema, findings: [], sizes: new Map(), nodes: 0 };
  const cost = measure(walk, schema, []);
  if (walk.nodes > maxNodes || cost.expanded > maxExpanded) {
    return {
      findings: [refusal([], `the schema is too large: at most ${maxNodes} parts, each $ref counted, are read`)],
    };
  }
  return walk.findings.length > 0 ? { findings: walk.findings } : { cost };
}

function refusal(path: Path, message: string, code: Finding["code"] = "PARAMETER_SCHEMA"): Finding {
  return { path, at: "value", code, message };
}

const nothing: SchemaCost = { expanded: 0, pairwise: 0 };

function measure(walk: Walk, schema: unknown, path: Path): SchemaCost {
  if (typeof schema !== "object" || schema === null) return nothing;
  walk.nodes += 1;
  if (walk.nodes > maxNodes) return nothing;
  if (path.length > maxDepth * 2) {
    walk.findings.push(refusal(path, "the schema is nested too deep"));
    return nothing;
  }
  const known = walk.sizes.get(schema);
  if (known === "open") {
    walk.findings.push(refusal(path, "the schema refers to itself: write out as many levels as are needed"));
    return nothing;
  }
  if (known !== undefined) return known;
  walk.sizes.set(schema, "open");
  let expanded = 1;
  let pairwise = 0;
  for (const [key, value] of Object.entries(schema)) {
    const cost = measureKeyword(walk, [key, value], path);
    expanded = Math.min(expanded + cost.expanded, maxExpanded + 1);
    pairwise = Math.min(pairwise + cost.pairwise, maxExpanded);
  }
  const cost = { expanded, pairwise };
  walk.sizes.set(schema, cost);
  return cost;
}

function measureKeyword(walk: Walk, [key, value]: readonly [string, unknown], path: Path): SchemaCost {
  const at = [...path, key];
  if (isNames(path)) return measure(walk, value, at);
  if (data.has(key)) return nothing;
  if (key === "uniqueItems" && value === true) return { expanded: 0, pairwise: 1 };
  if (typeof value === "string") {
    if (refusedKeywords.has(key))
      walk.findings.push(refusal(at, `${key} is not read in parameters: use $defs and $ref`));
    if (key === "pattern") checkPattern(walk, value, at);
    return key === "$ref" ? measureRef(walk, value, at) : nothing;
  }
  if (key === "patternProperties" && typeof value === "object" && value !== null) {
    for (const pattern of Object.keys(value)) checkPattern(walk, pattern, [...at, pattern]);
  }
  return measure(walk, value, at);
}

/** Whether keys at `path` are names: below one of those keywords, unless that is itself a name. */
function isNames(path: Path): boolean {
  let isName = false;
  for (const step of path) isName = !isName && byName.has(String(step));
  return isName;
}

function measureRef(walk: Walk, reference: string, at: Path): SchemaCost {
  if (!/^#(?:\/|$)/.test(reference)) {
    walk.findings.push(
      refusal(at, `$ref ${JSON.stringify(reference.slice(0, 80))} leads out of the schema: use $defs`),
    );
    return nothing;
  }
  let target: unknown = walk.root;
  for (const part of reference.split("/").slice(1)) {
    const step = part.replaceAll("~1", "/").replaceAll("~0", "~");
    const isThere = typeof target === "object" && target !== null && Object.hasOwn(target, step);
    target = isThere ? (target as Record<string, unknown>)[step] : undefined;
  }
  if (target === undefined) {
    walk.findings.push(refusal(at, `$ref ${JSON.stringify(reference.slice(0, 80))} leads to nothing in the schema`));
    return nothing;
  }
  return measure(walk, target, at);
}

function checkPattern(walk: Walk, pattern: string, at: Path): void {
  const shown = JSON.stringify(pattern.slice(0, 80));
  try {
    compilePattern(pattern);
  } catch (error) {
    if (error instanceof PatternRefused) {
      const message = `pattern ${shown} cannot be matched in linear time: ${error.message}`;
      walk.findings.push(refusal(at, message, "PARAMETER_PATTERN"));
    } else if (error instanceof SyntaxError) {
      walk.findings.push(refusal(at, `pattern ${shown} is not a regular expression`));
    } else throw error;
  }
}
