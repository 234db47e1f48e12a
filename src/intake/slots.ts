import { WaybillError } from "../core/errors.ts";

/** Bounds how much happens at once: so many run, so many wait, the rest is told to come again. */
export interface Slots {
  /** Answers the function that frees the slot; calling it twice frees it once. */
  take(): Promise<() => void>;
}

const retryAfterMs = 2_000;

export function makeSlots(maxRunning: number, maxWaiting: number): Slots {
  let running = 0;
  const waiting: (() => void)[] = [];

  function releaser(): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = waiting.shift();
      // The slot goes from hand to hand: nobody who comes now can slip in between.
      if (next) next();
      else running -= 1;
    };
  }

  return {
    async take() {
      if (running < maxRunning) {
        running += 1;
        return releaser();
      }
      if (waiting.length >= maxWaiting) {
        throw new WaybillError("BUSY", "the server has as many Git requests as it takes. Try again in a moment.", {
          retryAfterMs,
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
      return releaser();
    },
  };
}
