// Starts processes on a server's behalf: forking costs by the memory of who forks, and this process has little. So it
// imports nothing but Node's own. It ends with the server; what it started detached runs on.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import type { FromSpawner, ToSpawner } from "./spawner.ts";

const [socketPath = "", streamCount = "0"] = process.argv.slice(2);
const streams = new Map<number, Socket>();
const children = new Map<number, ChildProcess>();
let lastStream = 0;

const tell = (message: FromSpawner): void => void process.send?.(message);

/** Makes a stream; the server knows it by the number that comes first. */
function offerStream(): void {
  lastStream += 1;
  const id = lastStream;
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  // Not a byte of it is for this process.
  socket.pause();
  socket.on("error", () => undefined);
  socket.once("close", () => streams.delete(id));
  streams.set(id, socket);
  const number = Buffer.alloc(4);
  number.writeUInt32LE(id);
  socket.write(number);
}

type Start = Extract<ToSpawner, { kind: "spawn" }>;

function start({ id, command, args, options: { stdio, ...options } }: Start): void {
  const files: number[] = [];
  const sockets = stdio.map((entry) => (typeof entry === "number" ? (streams.get(entry) ?? null) : null));
  for (const entry of stdio) if (typeof entry === "number") streams.delete(entry);
  try {
    const descriptors = stdio.map((entry, index) => {
      if (entry === "ignore") return entry;
      if (typeof entry === "object") return files[files.push(openSync(entry.appendTo, "a", 0o600)) - 1];
      // Node makes blocking, as programs expect it, only the first three; what a fourth says is passed on from here.
      return index < relayed ? sockets[index] : "pipe";
    });
    const child = spawn(command, [...args], { ...options, stdio: descriptors });
    children.set(id, child);
    child.once("spawn", () => tell({ kind: "started", id, pid: child.pid ?? 0 }));
    child.once("error", ({ message }) => tell({ kind: "failed", id, message }));
    child.once("exit", (status, signal) => {
      children.delete(id);
      tell({ kind: "ended", id, status, signal });
    });
    for (const [index, socket] of sockets.entries()) {
      if (index < relayed) socket?.destroy();
      else if (socket) relay(child.stdio[index] as Socket, socket);
    }
  } catch (error) {
    tell({ kind: "failed", id, message: error instanceof Error ? error.message : String(error) });
    for (const socket of sockets) socket?.destroy();
  } finally {
    for (const file of files) closeSync(file);
    for (const socket of sockets) if (socket) setImmediate(offerStream);
  }
}

const relayed = 3;

function relay(own: Socket, theirs: Socket): void {
  own.on("error", () => theirs.destroy());
  theirs.on("error", () => own.destroy());
  own.pipe(theirs);
  theirs.pipe(own);
  theirs.once("close", () => own.destroy());
}

process.on("message", (message: ToSpawner) => {
  if (message.kind === "spawn") start(message);
  else children.get(message.id)?.kill(message.signal);
});
process.once("disconnect", () => {
  // A server that was killed has left it behind.
  rmSync(dirname(socketPath), { recursive: true, force: true });
  process.exit();
});
// They end with the server's: a Ctrl-C reaches the whole group, and the server still has things to start and to end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
for (let made = 0; made < Number(streamCount); made += 1) offerStream();
