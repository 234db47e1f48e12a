const firstMs = 1_000;
const longestMs = 60_000;

/** How long to wait before trying again after `attempt` failures (from 0): 1 s, doubled each time, one minute at most. */
export function backoffMs(attempt: number): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 16));
}
