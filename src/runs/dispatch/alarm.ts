import type { Clock } from "../../core/clock.ts";

/** Rings when the next of many moments has come. */
export interface Alarm {
  /** Rings for the name at that moment, or sooner where a sooner one is expected. */
  expect(name: string, at: Date): void;
  /** Rings with the names whose moment has come, until the signal aborts. Who rang is expected no more. */
  run(ring: (names: readonly string[]) => Promise<void>, signal: AbortSignal): Promise<void>;
}

// A machine's clock may be set, and a timer does not hear of it: the clock is looked at this often at least.
const longestSleepMs = 15_000;

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
    async run(ring, signal) {
      while (!signal.aborted) {
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
