import { backoffMs } from "../../../core/waiting/backoff.ts";
import type { Drift } from "./find-drift.ts";

/** When what others change is put back. Pure but for what it remembers. */
export interface PutBacks {
  /** When to put back what can be; null: there is nothing. Who changes the same again waits ever longer. */
  delayMs(drift: readonly Drift[], nowMs: number): number | null;
  /** It is being put back. */
  note(drift: readonly Drift[], nowMs: number): void;
  /** What to say of one of them. */
  words(drift: Drift, nowMs: number): string;
}

// Long enough for an editor that saves twice, and for a controller that writes whenever it is overruled.
const windowMs = 15 * 60_000;
const delays = { firstMs: 10_000, maxMs: 10 * 60_000 };

const keyOf = ({ object, field }: Drift): string => `${object} ${field ?? ""}`;

export function makePutBacks(): PutBacks {
  const times = new Map<string, readonly number[]>();

  function recent(drift: Drift, nowMs: number): readonly number[] {
    const kept = (times.get(keyOf(drift)) ?? []).filter((time) => nowMs - time < windowMs);
    if (kept.length === 0) times.delete(keyOf(drift));
    else times.set(keyOf(drift), kept);
    return kept;
  }
  function waitMs(drift: Drift, nowMs: number): number {
    const past = recent(drift, nowMs);
    const last = past.at(-1);
    return last === undefined ? 0 : Math.max(0, last + backoffMs({ failures: past.length, ...delays }) - nowMs);
  }
  const restorable = (drift: readonly Drift[]): readonly Drift[] => drift.filter(({ isResting }) => !isResting);

  return {
    delayMs(drift, nowMs) {
      const waits = restorable(drift).map((each) => waitMs(each, nowMs));
      return waits.length === 0 ? null : Math.min(...waits);
    },
    note(drift, nowMs) {
      for (const each of restorable(drift)) times.set(keyOf(each), [...recent(each, nowMs), nowMs]);
    },
    words(drift, nowMs) {
      if (drift.isResting) return "put back once it runs";
      const count = recent(drift, nowMs).length;
      if (count < 2) return "";
      const by = drift.by ?? "somebody";
      return `put back ${count} times, and ${by} changes it again: less and less often tried, find out who that is`;
    },
  };
}
