import type { DeploymentName } from "../../core/names.ts";
import type { DeploymentSpec } from "../deployment.ts";
import type { Finding, Problem, SourceFile } from "../problem.ts";
import type { SourceText } from "../text/source-text.ts";
import { readText } from "../text/source-text.ts";
import type { Claims } from "./claims.ts";
import { claimsOf } from "./claims.ts";
import type { Tools } from "./document.ts";
import { findProblems } from "./document.ts";

/** A deployment without problems of its own. */
export interface CheckedDocument {
  readonly spec: DeploymentSpec;
  readonly claims: Claims;
  /** Which document of its file it is, for `locate`. */
  readonly index: number;
}

/** What one file says by itself, whatever other files say. */
export interface CheckedFile {
  readonly path: string;
  readonly documents: readonly CheckedDocument[];
  readonly problems: readonly Problem[];
  /** Whether the repository's settings should know these environments: where each is first named. */
  readonly environments: readonly string[];
}

const maxProblems = 100;

/** Checks one file of `deployments/`. */
export function checkFile({ path, bytes }: SourceFile, tools: Tools): CheckedFile {
  const text = readText(path, bytes);
  const problems: Problem[] = shown(text.problems);
  const documents: CheckedDocument[] = [];
  const environments = new Set<string>();
  if (text.documents.length === 0 && problems.length === 0) {
    problems.push({ file: path, line: 1, column: 1, code: "FILE_EMPTY", message: "the file holds no deployment" });
  }
  for (const [index, { value, line, ambiguous }] of text.documents.entries()) {
    const derivedName = nameOf(path);
    const findings = findProblems({ value, derivedName, ambiguous }, tools);
    problems.push(...positioned({ path, text, index }, findings));
    if (findings.length > 0) continue;
    const spec = identified(value as object, { name: derivedName as DeploymentName, file: path, line });
    documents.push({ spec, claims: claimsOf(spec), index });
    for (const environment of Object.keys(spec.environments ?? {})) environments.add(environment);
  }
  return { path, documents, problems: inOrder(problems), environments: [...environments] };
}

/** Completes the document itself: nobody else holds it, and a copy of each would cost a tenth of the whole check. */
function identified(value: object, identity: Pick<DeploymentSpec, "name" | "file" | "line">): DeploymentSpec {
  const { name } = value as Partial<DeploymentSpec>;
  return Object.assign(value, identity, name !== undefined && { name }) as DeploymentSpec;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
}

/** Findings of a file's document as problems. Each position costs a walk, so only those that are shown get one. */
export function positioned(
  { path, text, index }: { readonly path: string; readonly text: SourceText; readonly index: number },
  findings: readonly Finding[],
): Problem[] {
  const problems = findings.slice(0, maxProblems).map((finding): Problem => {
    const { line, column } = text.locate(index, finding);
    return { file: path, line, column, code: finding.code, message: finding.message };
  });
  return shown(problems, findings.length);
}

/** The first of `count` problems, and a last one that says how many more there are. */
function shown(problems: readonly Problem[], count: number = problems.length): Problem[] {
  const first = problems.slice(0, maxProblems);
  const last = first.at(-1);
  if (last === undefined || count <= first.length) return first;
  const message = `there are ${count - first.length} more problems here: correct those shown first`;
  return [...first, { ...last, code: "PROBLEMS_MORE", message }];
}

/** By line and column; what stands at one place keeps its order. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}
