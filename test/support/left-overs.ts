import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** Command lines of the processes that work in the folder, or whose command line or environment names it. */
export async function leftOvers(folder: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [cwd, command, environment] = await Promise.all([
        readlink(`/proc/${pid}/cwd`).catch(() => ""),
        readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
        readFile(`/proc/${pid}/environ`, "utf8").catch(() => ""),
      ]);
      const isOurs = [cwd, command, environment].some((text) => text.includes(folder));
      return isOurs ? [`${pid} ${command.replaceAll("\0", " ").trim()}`] : [];
    }),
  );
  return found.flat();
}

/** Ends those processes: nothing outlives a test. */
export async function endLeftOvers(folder: string): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  for (let left = await leftOvers(folder); left.length > 0; left = await leftOvers(folder)) {
    assert.ok(Date.now() < deadlineMs, `these do not end: ${left.join("; ")}`);
    for (const one of left) kill(Number.parseInt(one, 10));
    await sleep(20);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
