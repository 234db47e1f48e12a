import type { Access } from "../access/access.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Git } from "../git/git.ts";
import type { DeliveryStore } from "../intake/delivery.ts";
import type { EventStore } from "../runs/triggers/event-store.ts";

interface HousekeepingParts {
  readonly access: Pick<Access, "sweep">;
  readonly deliveries: Pick<DeliveryStore, "prune">;
  readonly eventStore: Pick<EventStore, "prune">;
  readonly git: Git;
  readonly clock: Clock;
  readonly log: Log;
}

const intervalMs = 6 * 60 * 60 * 1000;
const deliveriesKeptMs = 30 * 24 * 60 * 60 * 1000;

/** Drops what has expired, and packs repositories, every few hours until the signal aborts. */
export async function keepHouse(parts: HousekeepingParts, signal: AbortSignal): Promise<void> {
  const { access, deliveries, eventStore, git, clock, log } = parts;
  while (!signal.aborted) {
    await clock.sleep(intervalMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      await access.sweep();
      const before = new Date(clock.now().getTime() - deliveriesKeptMs);
      await deliveries.prune(before);
      await eventStore.prune(before);
      for (const name of await git.list()) await (await git.open(name)).tidy(signal);
    } catch (error) {
      log.warn({ err: error }, "housekeeping failed; it is tried again next time");
    }
  }
}
