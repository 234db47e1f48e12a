import { setTimeout as wait } from "node:timers/promises";

/** The time and the passing of time, handed in so that tests own them. */
export interface Clock {
  now(): Date;
  /** Resolves after `delayMs`, rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own. */
export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (delayMs, signal) =>
    wait(delayMs, undefined, signal && { signal }).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error;
    }),
};
