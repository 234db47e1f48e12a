import { createInterface } from "node:readline";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { pipesOf, type Child, type Spawn } from "../../../core/spawn.ts";

export interface CommandResult {
  /** Null when it was ended by a signal, or was not to start any more. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Interrupts it: it gets `graceMs` to stop what it does, and is killed then. */
  readonly signal?: AbortSignal;
  /** Each line of its output as it comes; the result's `stdout` is empty then. */
  readonly onStart?: (pid: number) => void;
  readonly onLine?: (line: string) => void;
}

export type Command = (args: readonly string[], options: CommandOptions) => Promise<CommandResult>;

interface CommandParts {
  /** The program's path, or its name on PATH. */
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: Spawn;
  readonly clock: Clock;
}

const graceMs = 30_000;
const neverStarted: CommandResult = { status: null, stdout: "", stderr: "" };

/** Runs the CLI as a process in a session of its own: a terminal's interrupt of the server is not for it. */
export function makeCommand({ path, env, spawn, clock }: CommandParts): Command {
  return async (args, { cwd, env: more = {}, stdin = "", signal, onStart, onLine }) => {
    if (signal?.aborted === true) return neverStarted;
    const stdio = ["pipe", "pipe", "pipe"] as const;
    const child = spawn(path, args, { cwd, env: { ...env, ...more }, stdio, detached: true });
    const ending = ended(child, path);
    child.once("spawn", () => child.pid !== undefined && onStart?.(child.pid));
    const { stdin: input, stdout, stderr } = pipesOf(child);
    // It may end without having read its input.
    input.once("error", () => undefined);
    input.end(stdin);
    const over = new AbortController();
    const interrupting = signal ? interrupt(child, clock, { signal, over: over.signal }) : Promise.resolve();
    const read = onLine ? lines(stdout, onLine) : text(stdout);
    try {
      const [status, out, err] = await Promise.all([ending, read, text(stderr)]);
      return { status, stdout: out, stderr: err };
    } finally {
      over.abort();
      await interrupting;
    }
  };
}

function ended(child: Child, path: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      const message = `the Pulumi CLI (${path}) cannot be started: ${cause.message}. Install it, or set the target's pulumi.command`;
      reject(new WaybillError("CLI_UNAVAILABLE", message, { cause }));
    });
    child.once("close", (status) => resolve(status));
  });
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let whole = "";
  for await (const chunk of stream.setEncoding("utf8")) whole += String(chunk);
  return whole;
}

async function lines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): Promise<string> {
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) onLine(line);
  return "";
}

interface Ends {
  readonly signal: AbortSignal;
  /** Aborted when it has ended by itself. */
  readonly over: AbortSignal;
}

async function interrupt(child: Child, clock: Clock, { signal, over }: Ends): Promise<void> {
  const isAborted = await new Promise<boolean>((resolve) => {
    signal.addEventListener("abort", () => resolve(true), { once: true, signal: over });
    over.addEventListener("abort", () => resolve(false), { once: true });
  });
  if (!isAborted) return;
  child.kill("SIGINT");
  await clock.sleep(graceMs, over).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
}
