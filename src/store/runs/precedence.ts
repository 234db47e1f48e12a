import { setImmediate, setTimeout as sleep } from "node:timers/promises";

/** Who must not be late, and who may wait for them: both would share one database. */
export interface Precedence {
  /** Goes at once. */
  first<Result>(act: () => Promise<Result>): Promise<Result>;
  /** Resolves when nobody goes first, or after a while. */
  others(): Promise<void>;
}

// Who waits is not kept for ever, whatever comes.
const patienceMs = 1_000;
const lookMs = 1;

export function makePrecedence(): Precedence {
  let count = 0;
  return {
    async first(act) {
      count += 1;
      try {
        return await act();
      } finally {
        count -= 1;
      }
    },
    async others() {
      const until = performance.now() + patienceMs;
      // Whoever goes first next says so before this turn is over.
      await setImmediate();
      while (count > 0 && performance.now() < until) await sleep(lookMs);
    },
  };
}
