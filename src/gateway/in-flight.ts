import type { Endpoint } from "./mirror.ts";

/** Requests under way, by what they went to. */
export interface InFlight<Goal = Endpoint> {
  /** Counts one more; call what it answers once that request is over. `abort` ends a connection that may stay for days. */
  enter(goal: Goal, abort?: () => void): () => void;
  count(goal: Goal): number;
  total(): number;
  /** Resolves when nothing is under way there, or when aborted. */
  idle(goal: Goal, signal: AbortSignal): Promise<void>;
  /** Ends the WebSocket connections to it. */
  endUpgraded(goal: Goal): void;
}

interface Entry {
  readonly abort: (() => void) | undefined;
}

export const addressKey = ({ hostname, port }: Endpoint): string => `${hostname}:${port}`;

export function makeInFlight<Goal>(keyOf: (goal: Goal) => string): InFlight<Goal> {
  const entries = new Map<string, Set<Entry>>();
  const watchers = new Set<() => void>();
  const count = (goal: Goal): number => entries.get(keyOf(goal))?.size ?? 0;

  return {
    count,
    enter(goal, abort) {
      const key = keyOf(goal);
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
    idle: (goal, signal) =>
      new Promise((resolve) => {
        function settle(): void {
          if (count(goal) > 0 && !signal.aborted) return;
          watchers.delete(settle);
          signal.removeEventListener("abort", settle);
          resolve();
        }
        watchers.add(settle);
        signal.addEventListener("abort", settle);
        settle();
      }),
    endUpgraded(goal) {
      for (const { abort } of entries.get(keyOf(goal)) ?? []) abort?.();
    },
  };
}
