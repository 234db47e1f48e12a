import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Log } from "../../core/log.ts";
import { spawnHere, type Descriptor, type Spawn, type SpawnOptions } from "../../core/spawn.ts";
import { RemoteChild } from "./remote-child.ts";

/** Starts processes through a small one of our own, which forks several times faster than a large server. */
export interface Spawner {
  readonly spawn: Spawn;
  close(): Promise<void>;
}

/** A stream goes by the number of a socket that the other side has opened. */
export type WireDescriptor = Exclude<Descriptor, "pipe"> | number;

export type ToSpawner =
  | {
      readonly kind: "spawn";
      readonly id: number;
      readonly command: string;
      readonly args: readonly string[];
      readonly options: Omit<SpawnOptions, "stdio" | "signal"> & { readonly stdio: readonly WireDescriptor[] };
    }
  | { readonly kind: "kill"; readonly id: number; readonly signal: NodeJS.Signals };

export type FromSpawner =
  | { readonly kind: "started"; readonly id: number; readonly pid: number }
  | { readonly kind: "failed"; readonly id: number; readonly message: string }
  | {
      readonly kind: "ended";
      readonly id: number;
      readonly status: number | null;
      readonly signal: NodeJS.Signals | null;
    };

/** A connected socket with nothing in it, and what the other side calls it. */
interface Stream {
  readonly id: number;
  readonly socket: Socket;
}

interface Helper {
  readonly process: ChildProcess;
  /** Resolves when it has ended and its streams are closed. */
  readonly ended: Promise<string>;
  readonly idle: Stream[];
  readonly children: Map<number, RemoteChild>;
}

// A push has some ten at once.
const streamCount = 16;
const restartMs = 1_000;
// sockaddr_un holds 104 bytes on macOS, 108 on Linux (unix(7)).
const maxFolderLength = 80;

/** In a checkout this file is TypeScript, in the package JavaScript; the entry beside it is the same. */
const entry = fileURLToPath(
  new URL(`./spawner-process${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

/** What it cannot take on at once (it is still starting, or too much is asked) is started by this process itself. */
export function makeSpawner(log: Log): Spawner {
  let helper = startHelper();
  let lastId = 0;
  const closing = new AbortController();
  const watching = keepRunning();

  async function keepRunning(): Promise<void> {
    for (;;) {
      const how = await helper.ended;
      if (closing.signal.aborted) return;
      log.warn({ how }, "the process that starts others ended; starting another");
      await sleep(restartMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (closing.signal.aborted) return;
      helper = startHelper();
    }
  }

  const spawn: Spawn = (command, args, options) => {
    const wanted = options.stdio.filter((descriptor) => descriptor === "pipe").length;
    if (!helper.process.connected || helper.idle.length < wanted) return spawnHere(command, args, options);
    lastId += 1;
    return startRemotely(helper, lastId, { command, args, options });
  };

  return {
    spawn,
    async close() {
      closing.abort();
      if (helper.process.connected) helper.process.disconnect();
      await watching;
    },
  };
}

function startHelper(): Helper {
  const folder = mkdtempSync(join(tmpdir().length < maxFolderLength ? tmpdir() : "/tmp", "waybill-"));
  const path = join(folder, "s");
  const idle: Stream[] = [];
  const children = new Map<number, RemoteChild>();
  const sockets = new Set<Socket>();
  const server = listenForStreams(path, sockets, (stream) => idle.push(stream));
  const process = fork(entry, [path, String(streamCount)], {
    execArgv: [],
    env: { PATH: globalThis.process.env["PATH"] ?? "" },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  process.on("message", (message: FromSpawner) => {
    const child = children.get(message.id);
    if (message.kind !== "started") children.delete(message.id);
    child?.hear(message);
  });
  const ended = new Promise<string>((resolve) => {
    process.once("exit", (status, signal) => resolve(signal ?? `status ${status}`));
    process.on("error", ({ message }) => resolve(message));
  }).then((how) => {
    idle.length = 0;
    for (const child of children.values()) child.fail(`the process that started it ended with ${how}`);
    children.clear();
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(folder, { recursive: true, force: true });
    return how;
  });
  return { process, ended, idle, children };
}

interface Request {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
}

function startRemotely({ process, idle, children }: Helper, id: number, { command, args, options }: Request) {
  const { stdio, signal, ...rest } = options;
  const sockets: (Socket | null)[] = [];
  const descriptors = stdio.map((entry) => {
    const stream = entry === "pipe" ? idle.shift() : undefined;
    sockets.push(stream?.socket ?? null);
    return stream?.id ?? (entry === "pipe" ? "ignore" : entry);
  });
  const tell = (message: ToSpawner): void => {
    if (process.connected) process.send(message, () => undefined);
  };
  const child = new RemoteChild(sockets, (name) => tell({ kind: "kill", id, signal: name }));
  children.set(id, child);
  tell({ kind: "spawn", id, command, args, options: { ...rest, stdio: descriptors } });
  if (signal) child.endWith(signal);
  return child;
}

const numberBytes = 4;

/** Answers each connection once it has said its number. */
function listenForStreams(path: string, sockets: Set<Socket>, onStream: (stream: Stream) => void): Server {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
    // Not `data`: a stream that once flowed would not wait for its next reader.
    socket.once("readable", () => {
      const number = socket.read(numberBytes) as Buffer | null;
      if (number) setImmediate(() => onStream({ id: number.readUInt32LE(), socket }));
    });
  });
  server.on("error", () => undefined);
  return server.listen(path);
}
