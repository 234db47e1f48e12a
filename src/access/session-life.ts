const dayMs = 24 * 60 * 60 * 1000;

/** A session that nobody uses ends after a week, and any after 30 days. */
export const idleSessionMs = 7 * dayMs;
export const absoluteSessionMs = 30 * dayMs;
/** Use is written down at most this often for one credential: a write per request would be the most frequent of all. */
export const useIntervalMs = 5 * 60 * 1000;
