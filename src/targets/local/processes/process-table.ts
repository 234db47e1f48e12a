import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { platform } from "node:os";

const hasProc = platform() === "linux";

/** A process as the system knew it at one moment: a pid alone may name another process a minute later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Linux: clock ticks since boot, field 22 of /proc/PID/stat (proc_pid_stat(5)); elsewhere: `ps -o lstart=`. */
  readonly startedAt: string;
}

/** Fields of /proc/PID/stat after the command name, which may itself hold spaces and brackets. */
function statFields(pid: number | string): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null; // It ended.
  }
}

/** When the process with this pid started, or null when there is none (a zombie counts as none). */
export function startTimeOf(pid: number): string | null {
  if (!hasProc) return startTimeByPs(pid);
  const fields = statFields(pid);
  const state = fields?.[0];
  if (!fields || state === "Z" || state === "X") return null;
  return fields[19] ?? null;
}

function startTimeByPs(pid: number): string | null {
  try {
    const answer = execFileSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
    });
    const [state = "", ...started] = answer.trim().split(/\s+/);
    return state === "" || state.startsWith("Z") ? null : started.join(" ");
  } catch {
    return null;
  }
}

export const isAlive = ({ pid, startedAt }: ProcessIdentity): boolean => startTimeOf(pid) === startedAt;

// USER_HZ of sysconf(3): 100 on every architecture that Node runs on.
const ticksPerSecond = 100;

/** How long ago it started, whatever became of the clock since; null where the system does not say (proc_uptime(5)). */
export function ageMs({ startedAt }: ProcessIdentity): number | null {
  if (!hasProc) return null;
  try {
    const [uptimeSeconds = ""] = readFileSync("/proc/uptime", "latin1").split(" ");
    return Math.max(0, (Number(uptimeSeconds) - Number(startedAt) / ticksPerSecond) * 1_000);
  } catch {
    return null;
  }
}

/** Signals every process of the group that `pid` leads; false when none is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  // Group 0 and 1 would be our own and the system's.
  if (!Number.isSafeInteger(pid) || pid <= 1) return false;
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Pids whose environment holds `marker` (`NAME=value`): children that left their group are still found by it.
 * Empty where the system has no /proc.
 */
export function processesMarked(marker: string): readonly number[] {
  if (!hasProc) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && hasMarker(pid, marker) && startTimeOf(pid) !== null);
}

const hasMarker = (pid: number, marker: string): boolean => `\0${environOf(pid)}`.includes(`\0${marker}\0`);

function environOf(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return ""; // It ended, or belongs to another user.
  }
}

/** The values that processes of this machine carry in the variable `name`. */
export function markedValues(name: string): ReadonlySet<string> {
  if (!hasProc) return new Set();
  const pattern = new RegExp(`(?:^|\\0)${name}=([^\\0]*)`);
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return new Set(pids.flatMap((pid) => pattern.exec(environOf(pid))?.[1] ?? []));
}

/** Kills what still carries `marker`; answers how many there were. */
export function killMarked(marker: string): number {
  const pids = processesMarked(marker);
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  return pids.length;
}

/** How often the kernel has killed a process for memory since boot, null where it does not say (proc_vmstat(5)). */
export function memoryKills(): number | null {
  if (!hasProc) return null;
  try {
    const count = /^oom_kill (\d+)$/m.exec(readFileSync("/proc/vmstat", "latin1"))?.[1];
    return count === undefined ? null : Number(count);
  } catch {
    return null;
  }
}
