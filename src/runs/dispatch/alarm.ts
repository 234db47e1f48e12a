import type { Clock } from "../../core/clock.ts";

/** Rings when the next of many moments has come. */
export interface Alarm {
  /** Rings for the name at that moment, or sooner where a sooner one is expected. */
  expect(name: string, at: Date): void;
  /** Until the signal aborts. */
  run(listener: AlarmListener, signal: AbortSignal): Promise<void>;
}

export interface AlarmListener {
  /** Rings with the names whose moment has come. Who rang is expected no more. */
  readonly ring: (names: readonly string[]) => Promise<void>;
  /** The clock shows less than it did: what is expected came nearer or went away, and is to be expected anew. */
  readonly wentBack: () => Promise<void>;
}

// A machine's clock may be set, and a timer does not hear of it: the clock is looked at this often at least.
const longestSleepMs = 15_000;
// Less is how a clock is kept right.
const toleranceMs = 1_000;

export function makeAlarm(clock: Clock): Alarm {
  const moments = new Map<string, number>();
  let sleeping = new AbortController();
  let earliestMs = Number.POSITIVE_INFINITY;

  function due(): readonly string[] {
    const nowMs = clock.now().getTime();
    if (earliestMs > nowMs) return [];
    const names = [...moments].filter(([, atMs]) => atMs <= nowMs).map(([name]) => name);
    for (const name of names) moments.delete(name);
    earliestMs = [...moments.values()].reduce((least, atMs) => Math.min(least, atMs), Number.POSITIVE_INFINITY);
    return names;
  }

  return {
    expect(name, at) {
      const atMs = at.getTime();
      if ((moments.get(name) ?? Number.POSITIVE_INFINITY) <= atMs) return;
      moments.set(name, atMs);
      if (atMs >= earliestMs) return;
      earliestMs = atMs;
      sleeping.abort();
    },
    async run({ ring, wentBack }, signal) {
      let lastMs = clock.now().getTime();
      while (!signal.aborted) {
        const nowMs = clock.now().getTime();
        if (nowMs < lastMs - toleranceMs) await wentBack();
        lastMs = nowMs;
        const names = due();
        if (names.length > 0) {
          await ring(names);
          continue;
        }
        sleeping = new AbortController();
        const waitMs = Math.max(1, Math.min(longestSleepMs, earliestMs - clock.now().getTime()));
        await clock.sleep(waitMs, AbortSignal.any([signal, sleeping.signal])).catch(() => undefined);
      }
    },
  };
}
