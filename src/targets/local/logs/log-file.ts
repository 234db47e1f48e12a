import {
  appendFileSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import type { LogLine } from "../../workload.ts";

/** Begins a line that Waybill itself wrote into a program's log: marker, time, text. */
export const ownLineMark = "\u001Ewaybill ";
/** Begins a line whose time was told with it: mark, time, text. */
export const stampMark = "\u001E";
export const maxLogBytes = 10 * 2 ** 20;
export const keptRotations = 3;

export const rotated = (path: string, number: number): string => `${path}.${number}`;
/** Beside each log: `OFFSET TIME` per look at it, so that lines have a time although programs write none. */
export const timesOf = (path: string): string => `${path}.times`;

export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Adds lines of a program whose times are known. */
export function appendStamped(path: string, lines: readonly Pick<LogLine, "at" | "text">[]): void {
  appendFileSync(path, lines.map(({ at, text }) => `${stampMark}${at} ${text}\n`).join(""), { mode: 0o600 });
}

const stamped = new RegExp(`^${stampMark}\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z `);

/** Adds a line of our own. */
export function note(path: string, at: Date, text: string): void {
  const line = text.replaceAll("\n", `\n${ownLineMark}${at.toISOString()} `);
  const separator = endsMidLine(path) ? "\n" : "";
  appendFileSync(path, `${separator}${ownLineMark}${at.toISOString()} ${line}\n`, { mode: 0o600 });
}

function endsMidLine(path: string): boolean {
  const size = sizeOf(path);
  return size > 0 && readSlice(path, size - 1, size).toString("latin1") !== "\n";
}

export function readSlice(path: string, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, to - from));
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return Buffer.alloc(0); // Rotated away or removed.
  }
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from));
  } finally {
    closeSync(file);
  }
}

const maxTailBytes = 64 * 1_024;

/** The program's last lines at or after `from`, without ours. */
export function lastLines(path: string, { from, count }: { from: number; count: number }): readonly string[] {
  const size = sizeOf(path);
  const text = readSlice(path, Math.max(from > size ? 0 : from, size - maxTailBytes), size).toString("utf8");
  return text
    .split("\n")
    .filter((line) => !line.startsWith(ownLineMark))
    .map((line) => line.replace(stamped, ""))
    .filter((line) => line.trim() !== "")
    .slice(-count);
}

/** Notes how far the log has come by now; answers its size. */
export function noteTime(path: string, at: Date, sizeBefore: number): number {
  const size = sizeOf(path);
  if (size !== sizeBefore) appendFileSync(timesOf(path), `${size} ${at.getTime()}\n`, { mode: 0o600 });
  return size;
}

const chunkBytes = 2 ** 20;

/**
 * Moves the content away and empties the file in place: the program holds it open and goes on writing (O_APPEND). What
 * it writes between the last read and the truncation is lost: a few microseconds, since nothing is awaited in between.
 */
export function rotate(path: string): void {
  for (let number = keptRotations - 1; number >= 1; number -= 1) {
    for (const name of [(n: number) => rotated(path, n), (n: number) => timesOf(rotated(path, n))]) {
      renameIfThere(name(number), name(number + 1));
    }
  }
  const source = openSync(path, "r+");
  const copy = openSync(rotated(path, 1), "w", 0o600);
  try {
    // A program that wrote faster than we looked keeps its newest part only.
    let offset = Math.max(0, fstatSync(source).size - maxLogBytes * 2);
    const bytes = Buffer.alloc(chunkBytes);
    for (let read = readSync(source, bytes, 0, chunkBytes, offset); read > 0;) {
      writeSync(copy, bytes, 0, read);
      offset += read;
      read = readSync(source, bytes, 0, chunkBytes, offset);
    }
    ftruncateSync(source, 0);
  } finally {
    closeSync(source);
    closeSync(copy);
  }
  renameIfThere(timesOf(path), timesOf(rotated(path, 1)));
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    rmSync(to, { force: true });
  }
}
