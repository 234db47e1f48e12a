import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { WaybillError } from "../../../core/errors.ts";
import { killMarked, signalGroup } from "../processes/process-table.ts";

export interface BuildRequest {
  readonly command: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Keeps the whole output. */
  readonly log: string;
  /** `NAME=value`, put into the environment: what the build leaves running is found by it. */
  readonly marker: string;
  readonly signal: AbortSignal;
  /** Each line of output. */
  readonly onProgress: (message: string) => void;
}

const timeoutMs = 60 * 60 * 1_000;
const lastWordsMs = 1_000;
const keptLines = 20;
const maxLineLength = 2_000;

/** Runs a build command in a group of its own; rejects with BUILD_FAILED and its last lines. An abort kills the group. */
export async function runBuild(request: BuildRequest): Promise<void> {
  const { command, cwd, env, marker } = request;
  request.signal.throwIfAborted();
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([request.signal, timeout]);
  const log = openSync(request.log, "a", 0o600);
  const child = spawn("/bin/sh", ["-c", command], {
    cwd,
    env: { ...env, ...parsed(marker) },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = makeLineReader((line) => request.onProgress(line));
  const take = (chunk: Buffer): void => {
    writeSync(log, chunk);
    output.add(chunk.toString("utf8"));
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const kill = (): void => void signalGroup(child.pid ?? 0, "SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const ended = await ending(child);
    // What it left behind would hold its output open.
    killMarked(marker);
    await Promise.race([closed, sleep(lastWordsMs, undefined, { ref: false })]);
    request.signal.throwIfAborted();
    if (timeout.aborted) throw new WaybillError("BUILD_FAILED", `the build \`${command}\` did not end within an hour`);
    if (ended.status !== 0) throw failure(command, ended, output.end());
  } finally {
    signal.removeEventListener("abort", kill);
    killMarked(marker);
    // A line that comes later must not be written to whatever file has the number by then.
    child.stdout.off("data", take).resume();
    child.stderr.off("data", take).resume();
    closeSync(log);
  }
}

function parsed(marker: string): Record<string, string> {
  const [name = "", ...value] = marker.split("=");
  return { [name]: value.join("=") };
}

interface Ending {
  readonly status: number | null;
  readonly signal: string | null;
}

function ending(child: ReturnType<typeof spawn>): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      reject(new WaybillError("BUILD_FAILED", `the build cannot be started: ${cause.message}`, { cause }));
    });
    // A background process of the build may hold the pipes open: `exit` does not wait for it, as `close` would.
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
}

function failure(command: string, { status, signal }: Ending, lines: readonly string[]): WaybillError {
  const how = signal ? `was killed by ${signal}` : `failed with status ${status}`;
  const tail =
    lines.length > 0
      ? `\nlast ${lines.length === 1 ? "line" : `${lines.length} lines`}:\n${lines.map((line) => `  ${line}`).join("\n")}`
      : "";
  return new WaybillError("BUILD_FAILED", `the build \`${command}\` ${how}${tail}`);
}

function makeLineReader(onLine: (line: string) => void): { add(text: string): void; end(): readonly string[] } {
  const kept: string[] = [];
  let rest = "";
  const take = (line: string): void => {
    kept.push(line);
    if (kept.length > keptLines) kept.shift();
    onLine(line);
  };
  return {
    add(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > maxLineLength) take(rest.slice(0, maxLineLength));
      if (rest.length > maxLineLength) rest = "";
      lines.forEach(take);
    },
    end() {
      if (rest !== "") take(rest);
      rest = "";
      return kept;
    },
  };
}
