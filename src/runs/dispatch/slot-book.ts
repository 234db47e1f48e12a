import type { Limit } from "./limits.ts";

/** A limit that is reached, and by whom. */
export interface Full {
  readonly limit: Limit;
  /** Ids of the runs that hold its slots, oldest first. */
  readonly holders: readonly string[];
}

/**
 * Who holds which slots: exactly the live runs, counted in memory from what the store says of their states. A run that
 * ended holds none because it is not live; there is nothing else to be given back.
 */
export interface SlotBook {
  take(run: string, limits: readonly Limit[]): void;
  /** Answers the keys of the limits that have room again. */
  free(run: string): readonly string[];
  /** The first of the limits that is reached; null when all have room. */
  full(limits: readonly Limit[]): Full | null;
}

export function makeSlotBook(): SlotBook {
  const holders = new Map<string, Set<string>>();
  const keysOf = new Map<string, readonly string[]>();
  return {
    take(run, limits) {
      const keys = limits.map(({ key }) => key);
      keysOf.set(run, keys);
      for (const key of keys) {
        const held = holders.get(key) ?? new Set();
        holders.set(key, held.add(run));
      }
    },
    free(run) {
      const keys = keysOf.get(run) ?? [];
      keysOf.delete(run);
      for (const key of keys) {
        const held = holders.get(key);
        held?.delete(run);
        if (held?.size === 0) holders.delete(key);
      }
      return keys;
    },
    full(limits) {
      const limit = limits.find(({ key, most }) => (holders.get(key)?.size ?? 0) >= most);
      return limit ? { limit, holders: [...(holders.get(limit.key) ?? [])] } : null;
    },
  };
}

/** `a slot of job train: 1 of 1 is held by run k3f`. */
export function fullText({ limit, holders }: Full): string {
  const shown = holders.slice(0, 3).join(", ");
  const more = holders.length > 3 ? ` and ${holders.length - 3} more` : "";
  const held = `${holders.length} of ${limit.most} ${holders.length === 1 ? "is" : "are"} held`;
  return `a slot of ${limit.what}: ${held} by ${holders.length === 1 ? "run" : "runs"} ${shown}${more}`;
}
