import type { Clock } from "../../../core/clock.ts";
import type { StartedProcess } from "./launch.ts";
import { killMarked, signalGroup } from "./process-table.ts";

interface Ending {
  /** `NAME=value` in the environment of all that the process has started. */
  readonly marker: string;
  readonly graceMs: number;
  readonly clock: Clock;
}

const killPatienceMs = 5_000;

/** The polite signal, the grace time, the last signal; then whatever the process left behind. Never rejects on a dead one. */
export async function endProcess(process: StartedProcess | null, { marker, graceMs, clock }: Ending): Promise<void> {
  if (process && !process.hasEnded()) {
    signalGroup(process.pid, "SIGTERM");
    if (!(await endsWithin(process, graceMs, clock))) {
      signalGroup(process.pid, "SIGKILL");
      await endsWithin(process, killPatienceMs, clock);
    }
  }
  killMarked(marker);
}

async function endsWithin(process: StartedProcess, ms: number, clock: Clock): Promise<boolean> {
  const timer = new AbortController();
  clock.sleep(ms, timer.signal).then(
    () => timer.abort(),
    () => undefined,
  );
  try {
    await process.ended(timer.signal);
    return true;
  } catch {
    return process.hasEnded();
  } finally {
    timer.abort();
  }
}
