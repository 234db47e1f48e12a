import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Child } from "../../core/spawn.ts";
import type { FromSpawner } from "./spawner.ts";

/** A process that another one has started for us: its streams come straight here, its end is told. */
export class RemoteChild extends EventEmitter implements Child {
  pid: number | undefined;
  readonly stdin: Socket | null;
  readonly stdout: Socket | null;
  readonly stderr: Socket | null;
  readonly stdio: readonly [Socket | null, Socket | null, Socket | null, ...(Socket | null)[]];
  readonly #kill: (signal: NodeJS.Signals) => void;
  #hasEnded = false;

  constructor(sockets: readonly (Socket | null)[], kill: (signal: NodeJS.Signals) => void) {
    super();
    const [stdin = null, stdout = null, stderr = null, ...others] = sockets;
    [this.stdin, this.stdout, this.stderr, this.stdio] = [stdin, stdout, stderr, [stdin, stdout, stderr, ...others]];
    this.#kill = kill;
    // Nothing is ever written to what a process writes: with that side ended, its end is the socket's.
    for (const socket of [stdout, stderr]) socket?.end();
    for (const socket of others) if (socket) socket.allowHalfOpen = false;
  }

  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (!this.#hasEnded) this.#kill(signal);
  }

  unref(): void {
    // It is no child of this process, and keeps it from nothing.
  }

  /** Ends it when the signal aborts. */
  endWith(signal: AbortSignal): void {
    const onAbort = (): void => {
      this.kill();
      this.#emitError(signal.reason instanceof Error ? signal.reason : new Error("it was cancelled"));
    };
    if (signal.aborted) queueMicrotask(onAbort);
    else signal.addEventListener("abort", onAbort, { once: true });
    this.once("exit", () => signal.removeEventListener("abort", onAbort));
  }

  hear(message: FromSpawner): void {
    switch (message.kind) {
      case "started":
        this.pid = message.pid;
        this.emit("spawn");
        return;
      case "failed":
        this.fail(message.message);
        return;
      case "ended":
        this.#end(message.status, message.signal);
        return;
      default:
        message satisfies never;
    }
  }

  /** Nobody will know how it ends, if it ever began. */
  fail(reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const socket of this.stdio) socket?.destroy();
    this.#emitError(new Error(reason));
  }

  #emitError(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  #end(status: number | null, signal: NodeJS.Signals | null): void {
    this.#hasEnded = true;
    this.emit("exit", status, signal);
    this.stdin?.destroy();
    const outputs = [this.stdout, this.stderr].filter((socket) => socket !== null);
    const closed = outputs.map(
      (socket) =>
        new Promise<void>((resolve) => {
          if (socket.closed) resolve();
          else socket.once("close", () => resolve());
          // What nobody reads must not keep it open.
          if (socket.readableFlowing === null && socket.listenerCount("readable") === 0) socket.resume();
        }),
    );
    void Promise.all(closed).then(() => this.emit("close", status, signal));
  }
}
