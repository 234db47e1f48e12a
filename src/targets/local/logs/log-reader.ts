import { readFileSync, statSync } from "node:fs";
import type { Clock } from "../../../core/clock.ts";
import type { LogLine } from "../../workload.ts";
import { keptRotations, readSlice, rotated, sizeOf, stampMark, timesOf } from "./log-file.ts";

/** The newest `count` lines of a log and its rotations that are wanted, oldest first. */
export function tail(
  path: string,
  count: number,
  isWanted: (line: LogLine) => boolean = () => true,
): readonly LogLine[] {
  let lines: readonly LogLine[] = [];
  for (const file of [path, ...rotations(path)]) {
    if (lines.length >= count) break;
    lines = [...linesOf(file).filter(isWanted), ...lines];
  }
  return count === 0 ? [] : lines.slice(-count);
}

const rotations = (path: string): readonly string[] =>
  Array.from({ length: keptRotations }, (_, index) => rotated(path, index + 1));

// A log is rotated at 10 MiB; one that grew faster is read from its end.
const maxReadBytes = 24 * 2 ** 20;

function linesOf(path: string): readonly LogLine[] {
  const size = sizeOf(path);
  if (size === 0) return [];
  const from = Math.max(0, size - maxReadBytes);
  const timeAt = timeline(path);
  let offset = from;
  const seen = splitLines(readSlice(path, from, size)).map((text) => {
    offset += text.length + 1;
    return { text: text.toString("utf8"), at: timeAt(offset) };
  });
  return toLines(seen);
}

/** What a line's end offset says about when it was written: the first look that saw it. */
function timeline(path: string): (offset: number) => string {
  const looks = readText(timesOf(path))
    .split("\n")
    .flatMap((line) => {
      const [offset, timeMs] = line.split(" ").map(Number);
      return offset === undefined || timeMs === undefined ? [] : [{ offset, timeMs }];
    });
  const modified = statSync(path, { throwIfNoEntry: false })?.mtime ?? new Date(0);
  let next = 0;
  return (offset) => {
    while (next < looks.length && (looks[next]?.offset ?? 0) < offset) next += 1;
    const look = looks[next];
    return (look ? new Date(look.timeMs) : modified).toISOString();
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

const newline = 0x0a;

/** Complete lines, and the rest after the last newline if there is one. */
function splitLines(bytes: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (start < bytes.length) lines.push(bytes.subarray(start));
  return lines;
}

const timedLine = new RegExp(`^${stampMark}(waybill )?(\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z) (.*)$`, "s");

interface SeenLine {
  readonly text: string;
  /** When it was seen, which is when it was written or later. */
  readonly at: string;
}

function toLines(seen: readonly SeenLine[]): readonly LogLine[] {
  let next: string | null = null;
  return seen
    .toReversed()
    .map(({ text, at }): LogLine => {
      const [, own, time, rest] = timedLine.exec(text) ?? [];
      // A line was written before the one that says when it was.
      const line: LogLine =
        time !== undefined && rest !== undefined
          ? { at: time, stream: own === undefined ? "stdout" : "waybill", text: rest }
          : { at: next !== null && next < at ? next : at, stream: "stdout", text };
      next = line.at;
      return line;
    })
    .reverse();
}

/** Several logs as one: by time, and each in its own order. */
export function merged(logs: readonly (readonly LogLine[])[]): readonly LogLine[] {
  const placed = logs.flatMap((lines) => {
    let at = "";
    return lines.map((line) => {
      if (line.at > at) at = line.at;
      return { at, line };
    });
  });
  return placed.toSorted((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at))).map(({ line }) => line);
}

/** Hands out what is added to a log after it was made; survives rotation. */
export class LogCursor {
  readonly #path: string;
  readonly #clock: Clock;
  #offset: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string, { from, clock }: { from: number; clock: Clock }) {
    this.#path = path;
    this.#offset = from;
    this.#clock = clock;
  }

  /** Complete lines since the last call. */
  read(): readonly LogLine[] {
    const size = sizeOf(this.#path);
    let added: Buffer = Buffer.alloc(0);
    if (size < this.#offset) {
      const previous = rotated(this.#path, 1);
      added = readSlice(previous, this.#offset, sizeOf(previous));
      this.#offset = 0;
    }
    const fresh = readSlice(this.#path, this.#offset, Math.min(size, this.#offset + maxReadBytes));
    this.#offset += fresh.length;
    const bytes = Buffer.concat([this.#rest, added, fresh]);
    const end = bytes.lastIndexOf(newline) + 1;
    this.#rest = Buffer.from(bytes.subarray(end));
    const at = this.#clock.now().toISOString();
    return toLines(splitLines(bytes.subarray(0, end)).map((line) => ({ text: line.toString("utf8"), at })));
  }
}

const followPollMs = 100;

interface Reading {
  readonly lines: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** The newest lines of a log, and with `follow` what is added until the signal aborts. */
export async function* readLog(
  path: string,
  { lines, follow, signal }: Reading,
  clock: Clock,
): AsyncGenerator<LogLine> {
  const cursor = new LogCursor(path, { from: sizeOf(path), clock });
  yield* tail(path, lines);
  if (!follow) return;
  while (!signal.aborted) {
    yield* cursor.read();
    await clock.sleep(followPollMs, signal).catch(() => undefined);
  }
  yield* cursor.read();
}
