export interface Backoff {
  /** How many times in a row it failed; 0: it did not. */
  readonly failures: number;
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The delay before the next attempt: doubled with each failure, up to the maximum. */
export function backoffMs({ failures, firstMs, maxMs }: Backoff): number {
  // 2 to the power of 30 of anything is over every maximum, and still a number.
  return Math.min(maxMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)));
}
