import { setImmediate, setTimeout as sleep } from "node:timers/promises";

/** Who must not be late, and who may wait for them: both would share one database. */
export interface Precedence {
  /** Goes at once. */
  first<Result>(act: () => Promise<Result>): Promise<Result>;
  /** Resolves when nobody goes first, or after a while. */
  others(): Promise<void>;
}

// Who waits is not kept for ever, whatever comes.
const patienceMs = 5_000;
const lookMs = 1;

export function makePrecedence(): Precedence {
  const going = new Set<symbol>();
  return {
    async first(act) {
      const mine = Symbol("first");
      going.add(mine);
      try {
        return await act();
      } finally {
        going.delete(mine);
      }
    },
    async others() {
      const until = performance.now() + patienceMs;
      // Whoever goes first next says so before this turn is over.
      await setImmediate();
      while (going.size > 0 && performance.now() < until) await sleep(lookMs);
    },
  };
}
