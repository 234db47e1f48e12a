import type { ProblemCode } from "./problem-table.ts";

/** A file of the repository as Git stores it. `path` is relative to the repository's root: `deployments/ranker.yaml`. */
export interface SourceFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Something that the author of a file must change. `line` and `column` count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly code: ProblemCode;
  readonly message: string;
}

/** Where a value stands in a document: `["env", "LOG_LEVEL"]`, `["routes", 0, "port"]`. */
export type Path = readonly (string | number)[];

/** A problem before its position is known. `at` says whether the key or the value at `path` is to blame. */
export interface Finding {
  readonly path: Path;
  readonly at: "key" | "value";
  readonly code: ProblemCode;
  readonly message: string;
  /** The key that the map at `path` lacks. */
  readonly missing?: string;
}

/** The one line in which a problem is shown everywhere: `file:line:column CODE message`. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column} ${problem.code} ${problem.message}`;
}

/** A path as people write it: `routes[0].port`, `files["config/app.toml"].mode`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
