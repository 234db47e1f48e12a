import { hash } from "node:crypto";
import type { CrossFinding } from "./check/across.ts";
import { findCrossProblems } from "./check/across.ts";
import type { Tools } from "./check/document.ts";
import type { CheckedFile } from "./check/file.ts";
import { checkFile, positioned } from "./check/file.ts";
import type { Memory } from "./check/memory.ts";
import { makeMemory } from "./check/memory.ts";
import { checkSettings } from "./check/settings.ts";
import type { SpecContext } from "./context.ts";
import type { DeploymentSpec } from "./deployment.ts";
import type { Problem, SourceFile } from "./problem.ts";
import type { RepositorySettings } from "./repository-settings.ts";
import { defaultSettings } from "./repository-settings.ts";
import { makeCalendar } from "./rules/calendar.ts";
import { parameterProblems } from "./parameters/parameters.ts";
import { deploymentSchema } from "./schema/deployment.ts";
import { makeValidators } from "./schema/validator.ts";
import { readText } from "./text/source-text.ts";

/** What a commit declares. With problems, `deployments` and `settings` hold only what was understood. */
export interface CheckedRepository {
  readonly deployments: readonly DeploymentSpec[];
  readonly settings: RepositorySettings;
  /** In the order of file, line and column. */
  readonly problems: readonly Problem[];
}

/** A file with Git's id of its content, where it is known: what was found is then remembered under it. */
export type IdentifiedFile = SourceFile & { readonly id?: string };

export interface Checker {
  check(files: readonly IdentifiedFile[]): CheckedRepository;
}

const deploymentFile = /^deployments\/[^/]+\.ya?ml$/;
const settingsFile = "waybill.yaml";
// A remembered file takes about ten times its own size.
const maxRememberedBytes = 16 * 2 ** 20;
const maxRememberedFiles = 20_000;

/** True for the paths that `check` looks at: `deployments/*.yaml`, `deployments/*.yml` and `waybill.yaml`. */
export function isSpecPath(path: string): boolean {
  return path === settingsFile || deploymentFile.test(path);
}

/** Checks all of a commit's files at once: `deployments/*.yaml` or `.yml`, and `waybill.yaml` where there is one. */
export function checkRepository(files: readonly SourceFile[], context: SpecContext): CheckedRepository {
  return check(files, makeTools(context), undefined);
}

/** A checker that remembers what it found in single files, so that a commit costs what it changes. */
export function makeChecker(context: SpecContext): Checker {
  const tools = makeTools(context);
  const memory = makeMemory<CheckedFile>({ maxEntries: maxRememberedFiles, maxBytes: maxRememberedBytes });
  return { check: (files) => check(files, tools, memory) };
}

// Compiling takes longer than checking a hundred files; what is compiled depends on the schema alone.
const validators = makeValidators(deploymentSchema);

function makeTools(context: SpecContext): Tools {
  return {
    context,
    calendar: makeCalendar(),
    validators,
    parameterProblems,
  };
}

function check(
  files: readonly IdentifiedFile[],
  tools: Tools,
  memory: Memory<CheckedFile> | undefined,
): CheckedRepository {
  const sorted = files.filter(({ path }) => isSpecPath(path)).sort((a, b) => (a.path < b.path ? -1 : 1));
  const written = sorted.find(({ path }) => path === settingsFile);
  const settings = written === undefined ? undefined : checkSettings(written, tools);
  const checked = sorted
    .filter((file) => file !== written)
    .map((file) => (memory === undefined ? checkFile(file, tools) : recallOrCheck(file, tools, memory)));
  const across = findCrossProblems(checked, settings?.settings);
  const byPath = new Map(sorted.map((file) => [file.path, file]));
  const problems = [
    ...checked.flatMap((file) => file.problems),
    ...(settings?.problems ?? []),
    ...locateAcross(across, byPath),
  ];
  return {
    deployments: checked.flatMap((file) => file.documents.map(({ spec }) => spec)),
    settings: settings?.settings ?? defaultSettings(tools.context.defaultBranch ?? "main"),
    problems: across.length === 0 ? problems : inFileOrder(problems),
  };
}

function recallOrCheck(file: IdentifiedFile, tools: Tools, memory: Memory<CheckedFile>): CheckedFile {
  const key = `${file.id ?? hash("sha256", file.bytes)} ${file.path}`;
  const known = memory.recall(key);
  if (known !== undefined) return known;
  const found = checkFile(file, tools);
  memory.keep(key, found, file.bytes.length);
  return found;
}

/** Reads each file with such a problem once more: positions are not kept, and no more than one text at a time is. */
function locateAcross(findings: readonly CrossFinding[], files: ReadonlyMap<string, SourceFile>): Problem[] {
  const byFile = Map.groupBy(findings, (finding) => finding.document.spec.file);
  return [...byFile].flatMap(([path, found]) => {
    const text = readText(path, files.get(path)?.bytes ?? new Uint8Array());
    return found.flatMap((finding) => positioned({ path, text, index: finding.document.index }, [finding]));
  });
}

function inFileOrder(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) => (a.file === b.file ? 0 : a.file < b.file ? -1 : 1) || a.line - b.line || a.column - b.column,
  );
}
