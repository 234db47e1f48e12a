import type { Clock } from "../../../core/clock.ts";

export interface Bell {
  readonly ring: () => void;
  /** Resolves when it was rung since the last time, or after `afterMs`. */
  next(afterMs: number): Promise<void>;
}

/** Rung any number of times, heard once: changes come in bursts. */
export function makeBell(clock: Clock): Bell {
  let isRung = false;
  let wake = (): void => undefined;
  return {
    ring() {
      isRung = true;
      wake();
    },
    async next(afterMs): Promise<void> {
      const over = new AbortController();
      const rung = new Promise<void>((resolve) => (wake = resolve));
      if (!isRung) await Promise.race([rung, clock.sleep(afterMs, over.signal).catch(() => undefined)]);
      over.abort();
      isRung = false;
    },
  };
}
