import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Endpoints, PodService } from "./endpoints.ts";

/** Endpoints that are opened when the first route leads into a cluster: what they take is not loaded before. */
export interface LateEndpoints extends Endpoints {
  /** Opens them anew, as the clusters are reached otherwise now. What is known stays in force until then. */
  reopen(): void;
}

export function makeLateEndpoints({ open, log }: { open: () => Promise<Endpoints>; log: Log }): LateEndpoints {
  const listeners = new Set<() => void>();
  let followed: readonly PodService[] = [];
  let current: Endpoints | null = null;
  let opening: Promise<void> | null = null;

  async function load(): Promise<void> {
    const next = await open();
    next.onChange(() => {
      // Only from here on it knows better.
      if (current !== next) replace(next);
      for (const listener of listeners) listener();
    });
    next.follow(followed);
    if (current === null) current = next;
    else pending = next;
  }

  let pending: Endpoints | null = null;
  function replace(next: Endpoints): void {
    const old = current;
    current = next;
    pending = null;
    void old?.close();
  }

  function start(): void {
    opening ??= load()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, "clusters cannot be looked at"))
      .finally(() => {
        opening = null;
      });
  }

  return {
    ready: (service) => current?.ready(service) ?? null,
    revision: (service) => current?.revision(service) ?? null,
    follow(services) {
      followed = services;
      if (current === null && services.length > 0) start();
      current?.follow(services);
      pending?.follow(services);
    },
    onChange(callback) {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    reopen() {
      if (current !== null) start();
    },
    async close() {
      await opening;
      await Promise.all([current?.close(), pending?.close()]);
    },
  };
}
