import { constants } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf, WaybillError } from "../core/errors.ts";
import type { SpecContext } from "../spec/context.ts";
import { defaultContext } from "../spec/context.ts";
import type { Problem, SourceFile } from "../spec/problem.ts";
import { formatProblem } from "../spec/problem.ts";
import { checkRepository, isSpecPath } from "../spec/repository.ts";
import { maxFileBytes } from "../spec/text/limits.ts";

export interface Validation {
  readonly problems: readonly Problem[];
  /** How many files were looked at. */
  readonly files: number;
}

/** A file to look at: `path` within the repository, `location` on this machine. */
interface Candidate {
  readonly path: string;
  readonly location: string;
}

type Read = { readonly file: SourceFile } | { readonly problem: Problem };

/**
 * Checks a folder's `deployments/` and `waybill.yaml`, or one file, as they are in the working tree. Nothing is followed
 * or read whole before its type and size are known. Throws REQUEST_INVALID where there is nothing to check.
 */
export async function runValidate(path: string, context: SpecContext = defaultContext): Promise<Validation> {
  const candidates = await findCandidates(resolve(path), path);
  const reads = await Promise.all(candidates.map(readCandidate));
  const found = checkRepository(
    reads.flatMap((read) => ("file" in read ? [read.file] : [])),
    context,
  );
  const unread = reads.flatMap((read) => ("problem" in read ? [read.problem] : []));
  const problems = [...unread, ...found.problems].sort((a, b) => (a.file === b.file ? 0 : a.file < b.file ? -1 : 1));
  return { problems, files: candidates.length };
}

const sizeHint =
  "Sizes were looked up in the catalogue that Waybill comes with. A server may have others: waybill plan asks it.";

/** What people see: a line for each problem, and how many there are. */
export function formatValidation({ problems, files }: Validation): string {
  const checked = `${files} ${files === 1 ? "file" : "files"}`;
  if (problems.length === 0) return `no problems in ${checked}`;
  const count = `${problems.length} ${problems.length === 1 ? "problem" : "problems"} in ${checked}`;
  const hints = problems.some(({ code }) => code === "SIZE_UNKNOWN") ? [sizeHint] : [];
  return [...problems.map(formatProblem), ...hints, count].join("\n");
}

async function findCandidates(location: string, shown: string): Promise<Candidate[]> {
  const status = await lstat(location).catch((cause: unknown) => {
    throw new WaybillError("REQUEST_INVALID", `${shown} cannot be read: ${messageOf(cause)}`, { cause });
  });
  if (!status.isDirectory()) return [{ path: pathOfFile(location), location }];
  const root = basename(location) === "deployments" ? dirname(location) : location;
  const candidates = (await namesIn(join(root, "deployments")))
    .map((name) => `deployments/${name}`)
    .concat((await namesIn(root)).filter((name) => name === "waybill.yaml"))
    .filter(isSpecPath)
    .sort()
    .map((path) => ({ path, location: join(root, path) }));
  if (candidates.length > 0) return candidates;
  const message = `${shown} holds no deployments/*.yaml and no waybill.yaml: "waybill init" writes a first one`;
  throw new WaybillError("REQUEST_INVALID", message);
}

/** A file by itself is checked as what its name says; any other name is taken for a deployment's. */
function pathOfFile(location: string): string {
  const name = basename(location);
  if (name === "waybill.yaml") return name;
  return `deployments/${/\.ya?ml$/.test(name) ? name : `${name}.yaml`}`;
}

/** Empty for what is no folder. A linked folder is none: Git keeps the link, not what it leads to. */
async function namesIn(folder: string): Promise<string[]> {
  const status = await lstat(folder).catch(() => undefined);
  return status?.isDirectory() === true ? readdir(folder) : [];
}

async function readCandidate({ path, location }: Candidate): Promise<Read> {
  const problem = (code: Problem["code"], message: string): Read => ({
    problem: { file: path, line: 1, column: 1, code, message },
  });
  const status = await lstat(location).catch(() => undefined);
  if (status !== undefined && !status.isFile()) {
    const kind = status.isSymbolicLink() ? "a symbolic link" : "not a plain file";
    return problem("FILE_NOT_REGULAR", `this is ${kind}: put the file itself in its place`);
  }
  try {
    // Should it be exchanged for a link or a pipe meanwhile, it is still not followed, nor waited for.
    await using file = await open(location, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = await file.stat();
    if (size > maxFileBytes) {
      return problem("FILE_TOO_LARGE", `the file is ${size} bytes; at most ${maxFileBytes} are read`);
    }
    // One byte more than may be there: the file may grow meanwhile.
    const buffer = Buffer.alloc(size + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    return { file: { path, bytes: buffer.subarray(0, bytesRead) } };
  } catch (cause) {
    return problem("FILE_UNREADABLE", `the file cannot be read: ${messageOf(cause)}`);
  }
}
