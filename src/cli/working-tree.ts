import { execFile } from "node:child_process";
import { copyFile, lstat, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isPlainFile, modes } from "../git/objects/format.ts";
import { notRegular } from "../git/source-files.ts";
import { formatProblem, type Problem, type SourceFile } from "../spec/problem.ts";
import { WaybillError } from "../core/errors.ts";
import { defaultContext } from "../spec/context.ts";
import { checkRepository, isSpecPath } from "../spec/repository.ts";
import { maxFileBytes } from "../spec/text/limits.ts";

const run = promisify(execFile);
const maxOutputBytes = 16 * 1024 * 1024;

export interface WorkingTree {
  readonly files: readonly SourceFile[];
  /** Tree ids of the source paths as they would be committed now, `.` for the root. */
  readonly trees: Readonly<Record<string, string>>;
}

/** What a commit of everything in this folder's repository would hold. The user's own index is not touched. */
export async function readWorkingTree(folder: string, signal: AbortSignal): Promise<WorkingTree> {
  const root = await rootOf(folder);
  const scratch = await mkdtemp(join(tmpdir(), "waybill-plan-"));
  try {
    const git = await prepareIndex(root, scratch, signal);
    const files = await readFiles(root, git);
    const paths = [".", ...sourcePaths(files)];
    const trees: Record<string, string> = {};
    for (const path of new Set(paths)) {
      const tree = await treeOf(git, path);
      if (tree !== null) trees[path] = tree;
    }
    return { files, trees };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function rootOf(folder: string): Promise<string> {
  try {
    return (await run("git", ["rev-parse", "--show-toplevel"], { cwd: folder })).stdout.trimEnd();
  } catch (cause) {
    throw new WaybillError("REQUEST_INVALID", `${folder} is not in a Git repository: run "git init" first`, { cause });
  }
}

/** The files that a commit declares by; throws SPEC_INVALID with what stands where one of them should, as a push does. */
async function readFiles(root: string, git: Git): Promise<readonly SourceFile[]> {
  const { paths, problems } = declared(await git("ls-files", "--stage", "-z", "--", "waybill.yaml", "deployments"));
  const reads = await Promise.all(paths.map((path) => readPlain(root, path)));
  const files = reads.flatMap((read) => ("bytes" in read ? [read] : []));
  const all = [...problems, ...reads.flatMap((read) => ("code" in read ? [read] : []))];
  if (all.length === 0) return files;
  throw new WaybillError("SPEC_INVALID", all.map(formatProblem).join("\n"));
}

async function readPlain(root: string, path: string): Promise<SourceFile | Problem> {
  const { size } = await lstat(join(root, path));
  if (size <= maxFileBytes) return { path, bytes: await readFile(join(root, path)) };
  const message = `the file is ${size} bytes; at most ${maxFileBytes} are read`;
  return { file: path, line: 1, column: 1, code: "FILE_TOO_LARGE", message };
}

/** Of an index's entries, `MODE ID STAGE TAB PATH NUL`: the paths of plain files, and a problem for what is none. */
function declared(index: string): { readonly paths: readonly string[]; readonly problems: readonly Problem[] } {
  const found = new Map<string, string>();
  for (const [, mode = "", path = ""] of index.matchAll(/(\d+) [^\t]*\t([^\0]*)\0/g)) {
    const [top = "", name, ...below] = path.split("/");
    // Git lists files alone: what has some below it is a folder.
    if (name === undefined) found.set(top, mode);
    else if (isSpecPath(`${top}/${name}`)) found.set(`${top}/${name}`, below.length > 0 ? modes.folder : mode);
  }
  const paths: string[] = [];
  const problems: Problem[] = [];
  for (const [path, mode] of [...found].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (path === "deployments") problems.push(notRegular(path, mode, "a folder"));
    else if (!isPlainFile(mode)) problems.push(notRegular(path, mode, "a plain file"));
    else paths.push(path);
  }
  return { paths, problems };
}

type Git = (...args: string[]) => Promise<string>;

/** A Git whose index is a scratch copy with the whole working tree added. Objects go to a scratch store as well. */
async function prepareIndex(root: string, scratch: string, signal: AbortSignal): Promise<Git> {
  const index = join(scratch, "index");
  const plain: Git = async (...args) => (await run("git", args, { cwd: root, signal })).stdout.trimEnd();
  // A copy of the user's index spares hashing every file that did not change.
  await copyFile(await plain("rev-parse", "--path-format=absolute", "--git-path", "index"), index).catch(
    () => undefined,
  );
  await mkdir(join(scratch, "objects"));
  const objects = await plain("rev-parse", "--path-format=absolute", "--git-path", "objects");
  const env = {
    ...process.env,
    GIT_INDEX_FILE: index,
    GIT_OBJECT_DIRECTORY: join(scratch, "objects"),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
  };
  const git: Git = async (...args) => {
    const { stdout } = await run("git", args, { cwd: root, env, signal, maxBuffer: maxOutputBytes });
    return stdout.trimEnd();
  };
  await git("add", "--all", "--", ".");
  return git;
}

/** Null for a path that holds nothing: the server says so in its own words. */
async function treeOf(git: Git, path: string): Promise<string | null> {
  if (path === ".") return git("write-tree");
  return git("write-tree", `--prefix=${path.replace(/\/*$/, "/")}`).catch(() => null);
}

/** Every `source.path` of the files, in components and environments too. */
function sourcePaths(files: readonly SourceFile[]): readonly string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, below] of Object.entries(value)) {
      const path: unknown =
        key === "source" && typeof below === "object" && below !== null ? Reflect.get(below, "path") : null;
      if (typeof path === "string") found.push(path);
      visit(below);
    }
  };
  visit(checkRepository(files, defaultContext).deployments);
  return found.filter((path) => path !== "" && path !== ".");
}
