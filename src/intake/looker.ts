import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RepositoryName } from "../core/names.ts";
import { backoffMs } from "../core/waiting/backoff.ts";
import type { Delivery, DeliveryStore } from "./delivery.ts";

/** Turns deliveries into looks: one look at a time per repository, and each delivery is followed by one that began later. */
export interface Looker {
  add(delivery: Delivery): void;
  close(): Promise<void>;
}

export interface LookerOptions {
  readonly look: (repository: RepositoryName) => Promise<void>;
  readonly deliveries: Pick<DeliveryStore, "markProcessed">;
  readonly log: Log;
  readonly clock: Clock;
}

const firstRetryMs = 1_000;
const maxRetryMs = 5 * 60_000;

export function makeLooker({ look, deliveries, log, clock }: LookerOptions): Looker {
  const waiting = new Map<RepositoryName, Delivery[]>();
  const working = new Map<RepositoryName, Promise<void>>();
  const stopping = new AbortController();

  async function work(repository: RepositoryName): Promise<void> {
    let failures = 0;
    for (;;) {
      // Taken before the look begins: what arrives from here on is not covered by it.
      const covered = waiting.get(repository) ?? [];
      if (covered.length === 0 || stopping.signal.aborted) return;
      waiting.set(repository, []);
      try {
        await look(repository);
        await deliveries.markProcessed(covered, clock.now());
        failures = 0;
      } catch (error) {
        failures += 1;
        log.warn({ repository, failures, error: messageOf(error) }, "looking after a webhook failed");
        waiting.set(repository, [...covered, ...(waiting.get(repository) ?? [])]);
        const delayMs = backoffMs({ failures, firstMs: firstRetryMs, maxMs: maxRetryMs });
        // Rejects when stopped: the loop ends, the deliveries stay stored.
        await clock.sleep(delayMs, stopping.signal).catch(() => undefined);
      }
    }
  }

  function wake(repository: RepositoryName): void {
    if (working.has(repository) || stopping.signal.aborted) return;
    working.set(
      repository,
      work(repository).finally(() => {
        working.delete(repository);
        // Between the loop's last look at the list and here, another may have come.
        if ((waiting.get(repository)?.length ?? 0) > 0) wake(repository);
      }),
    );
  }

  return {
    add(delivery) {
      waiting.set(delivery.repository, [...(waiting.get(delivery.repository) ?? []), delivery]);
      wake(delivery.repository);
    },
    async close() {
      stopping.abort();
      await Promise.all(working.values());
    },
  };
}
