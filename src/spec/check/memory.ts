/** What was found in files, by what they hold: the longest unused goes first when the limits are reached. */
export interface Memory<Value> {
  recall(key: string): Value | undefined;
  keep(key: string, value: Value, bytes: number): void;
}

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

export function makeMemory<Value>({ maxEntries, maxBytes }: { maxEntries: number; maxBytes: number }): Memory<Value> {
  // A Map iterates in the order of insertion: an entry that is used is put at the end again.
  const entries = new Map<string, Entry<Value>>();
  let totalBytes = 0;
  const drop = (key: string, entry: Entry<Value>): void => {
    entries.delete(key);
    totalBytes -= entry.bytes;
  };
  return {
    recall(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    keep(key, value, bytes) {
      const before = entries.get(key);
      if (before !== undefined) drop(key, before);
      entries.set(key, { value, bytes });
      totalBytes += bytes;
      for (const [oldest, entry] of entries) {
        if (entries.size <= maxEntries && totalBytes <= maxBytes) break;
        drop(oldest, entry);
      }
    },
  };
}
