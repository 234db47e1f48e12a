import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { maxLogBytes, noteTime, rotate } from "./log-file.ts";

interface LogKeeperParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly pathOf: (instance: string) => string;
}

interface LogKeeper {
  /** Looks after the logs of those that run, until aborted. */
  keep(running: () => Iterable<string>, signal: AbortSignal): Promise<void>;
  /** Its files are gone. */
  forget(instance: string): void;
}

const tickMs = 1_000;

/** Notes when lines were written, and rotates a log that has become too large. */
export function makeLogKeeper({ clock, log, pathOf }: LogKeeperParts): LogKeeper {
  const sizes = new Map<string, number>();

  function look(instance: string): void {
    const path = pathOf(instance);
    try {
      const size = noteTime(path, clock.now(), sizes.get(instance) ?? 0);
      sizes.set(instance, size);
      if (size <= maxLogBytes) return;
      rotate(path);
      sizes.set(instance, 0);
    } catch (error) {
      log.warn({ instance, error: messageOf(error) }, "log cannot be rotated");
    }
  }

  return {
    async keep(running, signal) {
      try {
        for (;;) {
          await clock.sleep(tickMs, signal);
          for (const instance of running()) look(instance);
        }
      } catch (error) {
        if (!signal.aborted) log.error({ error: messageOf(error) }, "logs are no longer looked after");
      }
    },
    forget: (instance) => void sizes.delete(instance),
  };
}
