import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pipesOf, spawnHere, type Child } from "../../../core/spawn.ts";

export interface ShellRequest {
  readonly text: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Each line of either output. */
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  /** Null: as long as it needs. */
  readonly timeoutMs: number | null;
  /** Between the polite signal and the last. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

export interface ShellEnd {
  /** 128 where a signal ended it. */
  readonly exitStatus: number;
  readonly isKilled: boolean;
  readonly isTimedOut: boolean;
}

/** Runs shell text in a group of its own, and ends all of the group when its time is over or the signal aborts. */
export async function runShell(request: ShellRequest): Promise<ShellEnd> {
  request.signal.throwIfAborted();
  const { text, cwd, env, timeoutMs } = request;
  const child = spawnHere("/bin/sh", ["-ec", text], { cwd, env, stdio: ["pipe", "pipe", "pipe"], detached: true });
  const { stdin, stdout, stderr } = pipesOf(child);
  stdin.end();
  createInterface({ input: stdout }).on("line", request.out);
  createInterface({ input: stderr }).on("line", request.err);
  const over = new AbortController();
  const ended = new Promise<Omit<ShellEnd, "isTimedOut">>((done, reject) => {
    child.once("error", reject);
    child.once("close", (status) => done({ exitStatus: status ?? 128, isKilled: status === null }));
  }).finally(() => over.abort());
  // Seen below; it may come first.
  ended.catch(() => undefined);
  const stop = (): void => void endGroup(child, request.graceMs, over.signal);
  request.signal.addEventListener("abort", stop, { once: true, signal: over.signal });
  const isTimedOut = timeoutMs !== null && (await passes(timeoutMs, over.signal));
  if (isTimedOut) stop();
  const end = await ended;
  request.signal.throwIfAborted();
  return { ...end, isTimedOut };
}

async function endGroup(child: Child, graceMs: number, over: AbortSignal): Promise<void> {
  signal(child, "SIGTERM");
  if (await passes(graceMs, over)) signal(child, "SIGKILL");
}

/** False where the signal came first. */
const passes = (ms: number, over: AbortSignal): Promise<boolean> =>
  sleep(Math.min(ms, 2 ** 31 - 1), true, { signal: over }).catch(() => false);

function signal({ pid }: Child, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, name);
  } catch {
    // All of it has ended.
  }
}
