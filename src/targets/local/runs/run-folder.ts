import { createReadStream, lstatSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { messageOf } from "../../../core/errors.ts";
import { keepableText, unkeepable } from "../../../core/text.ts";
import type { OutputFile } from "../../run-executor.ts";

/** Where the files of a run lie. Those of a start carry its number. */
export interface RunFolder {
  readonly path: string;
  readonly log: string;
  /** Home, temporary files and secrets: removed when an attempt has ended. */
  readonly private: string;
  readonly result: string;
  readonly output: string;
  claim(attempt: number): string;
  exit(attempt: number): string;
}

export function runFolder(root: string, run: string): RunFolder {
  const path = join(root, run);
  return {
    path,
    log: join(path, "output.log"),
    private: join(path, "private"),
    result: join(path, "result.json"),
    output: join(path, "output"),
    claim: (attempt) => join(path, `start-${attempt}.claim`),
    exit: (attempt) => join(path, `start-${attempt}.exit`),
  };
}

const maxResultBytes = 2 ** 20;
const maxFiles = 1_000;

export type Result = { readonly value: unknown; readonly fault: string | null };

/** What a program wrote to `$WAYBILL_RESULT`. A program may have put anything there. */
export function readResult(path: string): Result {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (!status || (status.isFile() && status.size === 0)) return { value: null, fault: null };
  const refuse = (why: string): Result => ({
    value: null,
    fault: `what it wrote to $WAYBILL_RESULT is not kept: ${why}`,
  });
  if (!status.isFile()) return refuse("it is no plain file");
  if (status.size > maxResultBytes) return refuse(`${status.size} bytes, and at most ${maxResultBytes} are kept`);
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as unknown;
    const fault = unkeepable(value);
    return fault === null ? { value, fault } : refuse(`it ${fault}`);
  } catch (error) {
    return refuse(`it is not JSON: ${keepableText(messageOf(error))}`);
  }
}

interface KeptOutput {
  /** Sorted by path. */
  readonly files: readonly OutputFile[];
  /** What is not kept, and why; null when all is. */
  readonly fault: string | null;
}

/** Removes what is too much of the plain files under `$WAYBILL_OUTPUT`: the first by path are kept. */
export function keepOutput(folder: string, maxBytes: number): KeptOutput {
  const found = listFiles(folder);
  const files: OutputFile[] = [];
  let bytes = 0;
  for (const file of found) {
    const isKept = files.length < maxFiles && bytes + file.bytes <= maxBytes;
    if (isKept) files.push(file);
    else rmSync(join(folder, file.path), { force: true });
    if (isKept) bytes += file.bytes;
  }
  if (files.length === found.length) return { files, fault: null };
  const total = found.reduce((sum, file) => sum + file.bytes, 0);
  const most = `at most ${maxFiles} files of ${maxBytes} bytes together are`;
  return {
    files,
    fault: `${files.length} of the ${found.length} files of ${total} bytes that it left are kept: ${most}`,
  };
}

/** Sorted by path. Links are not followed. */
export function listFiles(folder: string): readonly OutputFile[] {
  const found: OutputFile[] = [];
  const pending = [folder];
  while (pending.length > 0) {
    const place = pending.pop() ?? "";
    for (const entry of entriesOf(place)) {
      const path = join(place, entry.name);
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isFile()) found.push({ path: relative(folder, path).split(sep).join("/"), bytes: sizeOf(path) });
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // It was removed, or the program took our right to read it.
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Null for what is no plain file within the folder. */
export function openOutput(folder: string, path: string): { bytes: number; body: ReadableStream } | null {
  const place = resolve(folder, path);
  if (!place.startsWith(folder + sep) || isLinked(folder, place)) return null;
  const status = lstatSync(place, { throwIfNoEntry: false });
  if (!status?.isFile()) return null;
  return { bytes: status.size, body: Readable.toWeb(createReadStream(place)) as ReadableStream };
}

/** A link on the way would lead out of the folder. */
function isLinked(folder: string, place: string): boolean {
  const parts = relative(folder, place).split(sep);
  const places = parts.map((_, index) => join(folder, ...parts.slice(0, index + 1)));
  return places.some((each) => lstatSync(each, { throwIfNoEntry: false })?.isSymbolicLink() === true);
}
