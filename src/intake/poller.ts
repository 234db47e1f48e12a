import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { RepositoryName } from "../core/names.ts";
import { backoffMs } from "../core/waiting/backoff.ts";
import type { Look } from "./delivery.ts";
import { makeSlots } from "../core/waiting/slots.ts";

export interface Poller {
  /** Polls until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface PollerOptions {
  /** The repositories hosted elsewhere, as they are now. */
  readonly repositories: () => Promise<readonly RepositoryName[]>;
  /** Asks the remote; true when it has other refs than were fetched last. */
  readonly hasChanged: (repository: RepositoryName, signal: AbortSignal) => Promise<boolean>;
  readonly look: Look;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly log: Log;
  /** From 0 up to 1. */
  readonly random?: () => number;
}

const maxConcurrent = 4;
// A remote that is away for long is asked every 16th time.
const maxFactor = 16;
// Remotes that were connected at once must not be asked at once for ever.
const jitter = 0.1;

export function makePoller(options: PollerOptions): Poller {
  const { repositories, hasChanged, look, clock, intervalMs, log, random = Math.random } = options;
  const slots = makeSlots({ running: maxConcurrent });

  // A look that failed may have fetched before: the remote has no news then, and it is looked at all the same.
  const owed = new Set<RepositoryName>();

  async function poll(name: RepositoryName, signal: AbortSignal): Promise<void> {
    if (!owed.has(name) && !(await slots.run(() => hasChanged(name, signal)))) return;
    owed.add(name);
    await look(name, "poll");
    owed.delete(name);
  }

  async function watch(name: RepositoryName, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      await clock.sleep(pollDelayMs({ intervalMs, failures, random: random() }), signal);
      try {
        await poll(name, signal);
        if (failures > 0) log.info({ repository: name, failures }, "polling works again");
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!signal.aborted) log.warn({ repository: name, failures, error: messageOf(error) }, "polling failed");
      }
    }
  }

  return {
    async run(signal) {
      const watched = new Map<RepositoryName, { stop: AbortController; ended: Promise<void> }>();
      while (!signal.aborted) {
        const names = await repositories().catch((error: unknown) => {
          log.warn({ error: messageOf(error) }, "listing repositories to poll failed");
          return [...watched.keys()];
        });
        for (const [name, { stop }] of watched) {
          if (!names.includes(name)) stop.abort();
        }
        for (const name of names.filter((name) => !watched.has(name))) {
          const stop = new AbortController();
          const ended = watch(name, AbortSignal.any([signal, stop.signal]))
            // Only a sleep that is stopped rejects.
            .catch(() => undefined)
            .finally(() => watched.delete(name));
          watched.set(name, { stop, ended });
        }
        await clock.sleep(intervalMs, signal).catch(() => undefined);
      }
      await Promise.all([...watched.values()].map(({ ended }) => ended));
    },
  };
}

/** The time until the next poll: the interval, doubled per failure, give or take a tenth. */
export function pollDelayMs({
  intervalMs,
  failures,
  random,
}: {
  intervalMs: number;
  failures: number;
  random: number;
}): number {
  const delayMs =
    failures === 0
      ? intervalMs
      : backoffMs({ failures: failures + 1, firstMs: intervalMs, maxMs: intervalMs * maxFactor });
  return Math.round(delayMs * (1 + jitter * (2 * random - 1)));
}
