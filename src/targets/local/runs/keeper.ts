import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { maxLogBytes, noteTime, rotate } from "../logs/log-file.ts";
import { markerName, markerOf } from "../processes/instance.ts";
import { killMarked, markedValues } from "../processes/process-table.ts";
import type { LocalRun } from "./local-run.ts";

/** Looks after the runs that are under way: their memory, their logs, and what they leave behind. */
export interface RunKeeper {
  add(run: LocalRun): void;
  drop(run: LocalRun): void;
  live(): readonly LocalRun[];
  close(): Promise<void>;
}

const tickMs = 500;

export function makeRunKeeper({ clock, log }: { readonly clock: Clock; readonly log: Log }): RunKeeper {
  const live = new Set<LocalRun>();
  const logSizes = new Map<LocalRun, number>();
  const ended = new Set<string>();
  const closing = new AbortController();
  let ticking: Promise<void> = Promise.resolve();
  let isTicking = false;

  function lookAt(run: LocalRun, hasEnded = false): void {
    try {
      if (!hasEnded) run.lookAtMemory();
      const size = noteTime(run.logPath, clock.now(), logSizes.get(run) ?? 0);
      logSizes.set(run, size);
      if (size <= maxLogBytes) return;
      rotate(run.logPath);
      logSizes.set(run, 0);
    } catch (error) {
      log.warn({ run: run.id, error: messageOf(error) }, "a run cannot be looked after");
    }
  }

  /** What left its group is found by its marker. All of /proc is read for that: once for all that ended since the last time. */
  function sweep(): void {
    if (ended.size === 0) return;
    const left = markedValues(markerName);
    for (const run of ended) if (left.has(run)) killMarked(markerOf(run));
    ended.clear();
  }

  async function tick(): Promise<void> {
    // Only while there is something to look at: a server without runs does nothing.
    while ((live.size > 0 || ended.size > 0) && !closing.signal.aborted) {
      await clock.sleep(tickMs, closing.signal).catch(() => undefined);
      for (const run of live) lookAt(run);
      sweep();
    }
    isTicking = false;
  }

  function ensureTicking(): void {
    if (isTicking || closing.signal.aborted) return;
    isTicking = true;
    ticking = tick();
  }

  return {
    add(run) {
      live.add(run);
      ended.delete(run.id);
      ensureTicking();
    },
    drop(run) {
      // What came since the last look, or before the first: another attempt may write to this log much later.
      lookAt(run, true);
      live.delete(run);
      logSizes.delete(run);
      ended.add(run.id);
      ensureTicking();
    },
    live: () => [...live],
    async close() {
      closing.abort();
      for (const run of live) run.letGo();
      await ticking;
      sweep();
    },
  };
}
