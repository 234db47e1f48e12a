import type { Endpoint } from "./mirror.ts";

/** Requests under way, by the address they went to. */
export interface InFlight {
  /** Counts one more; call what it answers once that request is over. `abort` ends a connection that may stay for days. */
  enter(upstream: Endpoint, abort?: () => void): () => void;
  count(upstream: Endpoint): number;
  total(): number;
  /** Resolves when nothing is under way to the address, or when aborted. */
  idle(upstream: Endpoint, signal: AbortSignal): Promise<void>;
  /** Ends the WebSocket connections to the address. */
  endUpgraded(upstream: Endpoint): void;
}

interface Entry {
  readonly abort: (() => void) | undefined;
}

export function makeInFlight(): InFlight {
  const entries = new Map<string, Set<Entry>>();
  const watchers = new Set<() => void>();
  const keyOf = ({ hostname, port }: Endpoint): string => `${hostname}:${port}`;
  const count = (upstream: Endpoint): number => entries.get(keyOf(upstream))?.size ?? 0;

  return {
    count,
    enter(upstream, abort) {
      const key = keyOf(upstream);
      const entry: Entry = { abort };
      const set = entries.get(key) ?? new Set();
      entries.set(key, set.add(entry));
      return () => {
        if (!set.delete(entry) || set.size > 0) return;
        if (entries.get(key) === set) entries.delete(key);
        for (const watcher of watchers) watcher();
      };
    },
    total: () => [...entries.values()].reduce((sum, set) => sum + set.size, 0),
    idle: (upstream, signal) =>
      new Promise((resolve) => {
        function settle(): void {
          if (count(upstream) > 0 && !signal.aborted) return;
          watchers.delete(settle);
          signal.removeEventListener("abort", settle);
          resolve();
        }
        watchers.add(settle);
        signal.addEventListener("abort", settle);
        settle();
      }),
    endUpgraded(upstream) {
      for (const { abort } of entries.get(keyOf(upstream)) ?? []) abort?.();
    },
  };
}
