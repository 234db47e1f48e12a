import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Duplex, Readable, Writable } from "node:stream";

/** What a descriptor of a new process is: nothing, a stream to us, or a file that it appends to. */
export type Descriptor = "ignore" | "pipe" | { readonly appendTo: string };

export interface SpawnOptions {
  readonly cwd: string;
  /** All of it: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** From descriptor 0 on. */
  readonly stdio: readonly Descriptor[];
  /** In a session of its own, so that it outlives whoever started it. */
  readonly detached?: boolean;
  /** Ends it with SIGTERM; `error` tells why then. */
  readonly signal?: AbortSignal;
}

type OnError = (error: Error) => void;
type OnEnd = (status: number | null, signal: NodeJS.Signals | null) => void;

/** A started process: the part of Node's ChildProcess that is used here. */
export interface Child {
  /** Known from `spawn` on. */
  readonly pid?: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** Descriptor 3, which reads and writes. */
  readonly stdio: readonly (Duplex | Readable | Writable | null | undefined)[];
  kill(signal?: NodeJS.Signals): unknown;
  unref(): void;
  once(event: "spawn", listener: () => void): unknown;
  /** It could not be started, or nobody will know how it ends. */
  once(event: "error", listener: OnError): unknown;
  /** `close` comes after `exit`, when its streams have ended too. */
  once(event: "exit" | "close", listener: OnEnd): unknown;
}

export interface Pipes {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** The streams of a process that was started with all three. */
export function pipesOf({ stdin, stdout, stderr }: Child): Pipes {
  if (stdin && stdout && stderr) return { stdin, stdout, stderr };
  throw new TypeError("a process was started without its streams");
}

/** Starts a process. Where a room takes one as an argument, it need not be this process that starts it. */
export type Spawn = (command: string, args: readonly string[], options: SpawnOptions) => Child;

/** Starts a process as a child of this one. */
export const spawnHere: Spawn = (command, args, { stdio, ...options }) => {
  const opened: number[] = [];
  try {
    const descriptors = stdio.map((entry) => {
      if (typeof entry === "string") return entry;
      const descriptor = openSync(entry.appendTo, "a", 0o600);
      opened.push(descriptor);
      return descriptor;
    });
    return spawn(command, [...args], { ...options, env: { ...options.env }, stdio: descriptors });
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
};
