import { readFileSync } from "node:fs";

/** The peaks of a process and of all below it, in bytes; 0 where the system does not say (proc_pid_status(5)). */
export function peakMemoryBytes(pid: number): number {
  const own = Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1_024;
  return childrenOf(pid).reduce((sum, child) => sum + peakMemoryBytes(child), own);
}

const childrenOf = (pid: number): readonly number[] =>
  read(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((text) => text !== "")
    .map(Number);

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended, or the system is not Linux.
  }
}
