import { execFile } from "node:child_process";
import { copyFile, lstat, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { SourceFile } from "../spec/problem.ts";
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
  const files = await readFiles(root);
  const scratch = await mkdtemp(join(tmpdir(), "waybill-plan-"));
  try {
    const git = await prepareIndex(root, scratch, signal);
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

/** The files that a commit declares by, none of them larger than what is read of one. */
async function readFiles(root: string): Promise<readonly SourceFile[]> {
  const folders = await Promise.all(["", "deployments/"].map((folder) => plainFiles(root, folder)));
  const paths = folders.flat().filter(isSpecPath).sort();
  return Promise.all(
    paths.map(async (path) => {
      const { size } = await lstat(join(root, path));
      if (size <= maxFileBytes) return { path, bytes: await readFile(join(root, path)) };
      throw new WaybillError(
        "SPEC_INVALID",
        `${path}:1:1 FILE_TOO_LARGE the file is ${size} bytes; at most ${maxFileBytes} are read`,
      );
    }),
  );
}

async function plainFiles(root: string, folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map(({ name }) => folder + name);
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
