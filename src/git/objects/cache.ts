import type { CommitInfo, TreeEntry } from "./format.ts";

/** Keeps what was used last, up to a total weight. */
export interface Cache<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value, weight: number): void;
}

export function makeCache<Value>(maxWeight: number): Cache<Value> {
  // A Map iterates in order of insertion: the first key is the one used longest ago.
  const entries = new Map<string, { value: Value; weight: number }>();
  let total = 0;

  function remove(key: string): void {
    total -= entries.get(key)?.weight ?? 0;
    entries.delete(key);
  }

  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, weight) {
      remove(key);
      if (weight > maxWeight) return;
      entries.set(key, { value, weight });
      total += weight;
      for (const oldest of entries.keys()) {
        if (total <= maxWeight) break;
        remove(oldest);
      }
    },
  };
}

/** Objects never change, so what is kept here can be shared by all that read one repository. */
export interface ObjectCache {
  readonly trees: Cache<readonly TreeEntry[]>;
  readonly commits: Cache<CommitInfo>;
  readonly blobs: Cache<Buffer>;
}

const maxTreeEntries = 100_000;
const maxCommits = 5_000;
const maxBlobBytes = 32 * 1024 * 1024;

export const makeObjectCache = (): ObjectCache => ({
  trees: makeCache(maxTreeEntries),
  commits: makeCache(maxCommits),
  blobs: makeCache(maxBlobBytes),
});
