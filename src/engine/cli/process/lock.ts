import { readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import { scopeOf } from "../../state.ts";
import type { CommandResult } from "./command.ts";

/** Who holds a stack's lock on a backend that keeps locks as files. */
export interface LockHolder {
  readonly url: string;
  readonly user: string;
  readonly host: string;
  readonly pid: number;
  readonly at: Date;
}

// pkg/backend/diy/lock.go in github.com/pulumi/pulumi prints this line for each lock that is in the way.
const holderLine = /^ {2}(\S+): created by (.*)@(\S+) \(pid (\d+)\) at (\S+)$/gm;

/** Read from what the CLI printed when it was refused; empty: it was refused for something else. */
export function readHolders(stderr: string): readonly LockHolder[] {
  return [...stderr.matchAll(holderLine)].map(([, url = "", user = "", host = "", pid, at = ""]) => ({
    url,
    user,
    host,
    pid: Number(pid),
    at: new Date(at),
  }));
}

/** What is known of this machine's processes. */
export interface Machine {
  readonly host: string;
  /** When the process started, null when there is none of that id, undefined when that cannot be told. */
  startOf(pid: number): Date | null | undefined;
}

// The lock's time has whole seconds, and a process's start is reckoned from a boot time that has.
const toleranceMs = 2000;

/** Proven: on this very machine, and the process is gone, or another one has its id now. */
export function isProvenDead({ host, pid, at }: LockHolder, machine: Machine): boolean {
  if (host !== machine.host) return false;
  const start = machine.startOf(pid);
  if (start === undefined) return false;
  return start === null || start.getTime() > at.getTime() + toleranceMs;
}

// Ticks of /proc/PID/stat: USER_HZ, 100 on every Linux that Node runs on (proc(5)).
const ticksPerSecond = 100;

export const thisMachine: Machine = {
  host: hostname(),
  startOf: (pid) => {
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ESRCH") return null;
    }
    try {
      // The name, in brackets, may hold anything; what follows it is numbers.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      const bootSeconds = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
      return new Date((bootSeconds + Number(fields[19]) / ticksPerSecond) * 1000);
    } catch {
      return undefined;
    }
  },
};

const lockedRetryMs = 5000;

/**
 * Takes away locks whose holders are dead. Throws STACK_LOCKED when one may be alive. Answers false when the CLI was
 * refused for another reason.
 */
export async function breakLock(
  commands: { run(stack: StackName, args: readonly string[]): Promise<CommandResult> },
  stack: StackName,
  { result, machine = thisMachine }: { readonly result: CommandResult; readonly machine?: Machine },
): Promise<boolean> {
  const holders = readHolders(result.stderr);
  if (holders.length === 0) return false;
  const living = holders.find((holder) => !isProvenDead(holder, machine));
  if (living) throw locked(stack, living);
  const files = holders.map(({ url }) => url).filter((url) => url.startsWith("file:"));
  // A file is taken away by its own name: a lock that somebody took meanwhile stays. Elsewhere the CLI must do it.
  if (files.length === holders.length) for (const url of files) removeLock(fileURLToPath(withoutQuery(url)));
  else await commands.run(stack, ["cancel", "--yes"]);
  return true;
}

function removeLock(path: string): void {
  rmSync(path, { force: true });
  // The file backend keeps what an object store would know of the object beside it.
  rmSync(`${path}.attrs`, { force: true });
}

function withoutQuery(url: string): URL {
  const bare = new URL(url);
  bare.search = "";
  return bare;
}

function locked(stack: StackName, { url, user, host, pid, at }: LockHolder): WaybillError {
  const place = URL.canParse(url) ? withoutQuery(url).pathname : url;
  return new WaybillError(
    "STACK_LOCKED",
    `${scopeOf(stack)} is locked by ${user}@${host} (process ${pid}) since ${at.toISOString()}; waiting for it to end. If that process is gone for good, remove ${place}`,
    { retryAfterMs: lockedRetryMs },
  );
}
