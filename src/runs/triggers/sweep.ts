import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";

interface SweepParts {
  /** Takes up all that is to be done: done twice, it does nothing more. */
  readonly pass: () => Promise<void>;
  /** What is said when it fails. */
  readonly failure: string;
  readonly clock: Clock;
  readonly log: Log;
}

const retryMs = 5_000;

/** Passes over what is to be done once at first, and again whenever somebody wakes it; what fails is tried again. */
export function makeSweep({ pass, failure, clock, log }: SweepParts) {
  let waking = Promise.withResolvers<void>();
  return {
    wake: (): void => waking.resolve(),
    run: async (signal: AbortSignal): Promise<void> => {
      const stop = (): void => waking.resolve();
      signal.addEventListener("abort", stop);
      try {
        while (!signal.aborted) {
          // Before the pass: who wakes it meanwhile may have come too late for it.
          waking = Promise.withResolvers();
          const isDone = await pass().then(
            () => true,
            (error: unknown) => {
              log.error({ error: messageOf(error) }, failure);
              return false;
            },
          );
          if (signal.aborted) return;
          if (isDone) await waking.promise;
          else await clock.sleep(retryMs, signal).catch(() => undefined);
        }
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
  };
}
