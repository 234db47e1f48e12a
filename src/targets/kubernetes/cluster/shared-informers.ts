import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { Cluster, Selection } from "./cluster.ts";
import { makeInformer, type Informer } from "./informer.ts";

/** One who looks at a selection that others may look at too. */
export interface Follower extends Pick<Informer, "ready" | "all" | "get" | "trouble"> {
  release(): void;
}

/** Informers by selection: one watch however many wait for something in it. */
export interface SharedInformers {
  /** `onChange` is called after each change of anything in the selection. */
  follow(selection: Selection, onChange: () => void): Follower;
  close(): Promise<void>;
}

interface Shared {
  readonly informer: Informer;
  readonly listeners: Set<() => void>;
  closing: NodeJS.Timeout | null;
}

interface SharedInformersDependencies {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a watch that nobody needs stays open, as the next apply is likely to need it. */
  readonly lingerMs: number;
}

export function makeSharedInformers({ cluster, clock, log, lingerMs }: SharedInformersDependencies): SharedInformers {
  const open = new Map<string, Shared>();

  function share(key: string, selection: Selection): Shared {
    const known = open.get(key);
    if (known) return known;
    const listeners = new Set<() => void>();
    const onChange = (): void => {
      for (const listener of listeners) listener();
    };
    const shared: Shared = {
      informer: makeInformer(cluster, { ...selection, clock, log, onChange }),
      listeners,
      closing: null,
    };
    open.set(key, shared);
    return shared;
  }
  async function end(key: string, { informer, closing }: Shared): Promise<void> {
    if (closing !== null) clearTimeout(closing);
    open.delete(key);
    await informer.close();
  }
  return {
    follow(selection, onChange) {
      const key = keyOf(selection);
      const shared = share(key, selection);
      const { informer, listeners } = shared;
      if (shared.closing !== null) clearTimeout(shared.closing);
      shared.closing = null;
      // Each follower is one entry, also when two of them bring the same function.
      const listener = (): void => onChange();
      listeners.add(listener);
      return {
        ready: informer.ready,
        all: () => informer.all(),
        get: (name, namespace) => informer.get(name, namespace),
        trouble: () => informer.trouble(),
        release() {
          if (!listeners.delete(listener) || listeners.size > 0) return;
          shared.closing = setTimeout(() => void end(key, shared), lingerMs).unref();
        },
      };
    },
    async close() {
      await Promise.all([...open].map(([key, shared]) => end(key, shared)));
    },
  };
}

const keyOf = ({ apiVersion, kind, namespace = "", labelSelector = "", fieldSelector = "" }: Selection): string =>
  JSON.stringify([apiVersion, kind, namespace, labelSelector, fieldSelector]);
