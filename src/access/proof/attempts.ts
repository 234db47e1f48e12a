import type { Clock } from "../../core/clock.ts";

const firstDelayMs = 2_000;
const longestDelayMs = 15 * 60_000;
// Bounds memory against somebody who tries ever new names: the oldest entry goes first.
const maxEntries = 10_000;

interface Entry {
  readonly failures: number;
  readonly blockedUntilMs: number;
}

export interface Attempts {
  /** How long these keys must wait before the next try; 0 when they need not. */
  delayMs(keys: readonly string[]): number;
  failed(keys: readonly string[]): void;
  /** Takes back one failure that was none. */
  undo(keys: readonly string[]): void;
  forget(keys: readonly string[]): void;
}

/** Slows down guessing: from `freeFailures` of a key on, each one doubles its wait, up to a quarter of an hour. */
export function makeAttempts(clock: Pick<Clock, "now">, freeFailures: number): Attempts {
  const entries = new Map<string, Entry>();
  const nowMs = (): number => clock.now().getTime();
  return {
    delayMs: (keys) => Math.max(0, ...keys.map((key) => (entries.get(key)?.blockedUntilMs ?? 0) - nowMs())),
    failed(keys) {
      for (const key of keys) {
        const failures = forgiven(entries.get(key), nowMs()) + 1;
        entries.delete(key);
        entries.set(key, { failures, blockedUntilMs: nowMs() + delayAfter(failures - freeFailures) });
      }
      for (const key of entries.keys()) {
        if (entries.size <= maxEntries) break;
        entries.delete(key);
      }
    },
    undo(keys) {
      for (const key of keys) {
        const failures = (entries.get(key)?.failures ?? 0) - 1;
        if (failures <= 0) entries.delete(key);
        else entries.set(key, { failures, blockedUntilMs: nowMs() + delayAfter(failures - freeFailures) });
      }
    },
    forget(keys) {
      for (const key of keys) entries.delete(key);
    },
  };
}

/** Failures are forgotten once as long a time as the longest wait has passed since the last wait ended. */
function forgiven(entry: Entry | undefined, nowMs: number): number {
  return entry === undefined || nowMs > entry.blockedUntilMs + longestDelayMs ? 0 : entry.failures;
}

function delayAfter(excess: number): number {
  return excess < 0 ? 0 : Math.min(firstDelayMs * 2 ** excess, longestDelayMs);
}
