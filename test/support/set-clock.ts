import { setTimeout as realSleep } from "node:timers/promises";
import type { Clock } from "../../src/core/clock.ts";
import type { RunStore } from "../../src/runs/store.ts";

/** A machine's clock in a test's hand: what it shows can be set, and timers do not hear of it, as on a real machine. */
export interface SetClock extends Clock {
  /** Sets what it shows, by so much; no time passes. */
  set(byMs: number): void;
  /** Lets time pass, timer by timer; at each, what was woken has its way before the next. */
  pass(ms: number): Promise<void>;
  /** A store whose answers are awaited before more time passes. */
  watch(store: RunStore): RunStore;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export function makeSetClock(start: string): SetClock {
  let passedMs = 0;
  let shownMs = Date.parse(start);
  let pending = 0;
  const sleepers = new Set<Sleeper>();

  /** Three looks in a row that find nothing under way. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await realSleep(1);
      if (pending > 0) quiet = -1;
    }
  }

  return {
    now: () => new Date(shownMs + passedMs),
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const sleeper = { atMs: passedMs + delayMs, wake: resolve };
        sleepers.add(sleeper);
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", abort, { once: true });
      }),
    set(byMs) {
      shownMs += byMs;
    },
    async pass(ms) {
      const untilMs = passedMs + ms;
      for (;;) {
        await settle();
        const [next] = [...sleepers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
        if (!next) break;
        sleepers.delete(next);
        passedMs = Math.max(passedMs, next.atMs);
        next.wake();
      }
      passedMs = untilMs;
    },
    watch: (store) =>
      new Proxy(store, {
        get(target, name, receiver) {
          const found: unknown = Reflect.get(target, name, receiver);
          if (typeof found !== "function") return found;
          return async (...given: unknown[]) => {
            pending += 1;
            try {
              return (await Reflect.apply(found, target, given)) as unknown;
            } finally {
              pending -= 1;
            }
          };
        },
      }),
  };
}
