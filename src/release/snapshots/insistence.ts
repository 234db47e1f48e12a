import { backoffMs } from "../../core/waiting/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Watcher } from "./watch.ts";

interface InsistenceParts {
  readonly watcher: Pick<Watcher, "look">;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted when the server stops: the next start looks at every repository. */
  readonly signal: AbortSignal;
}

const firstRetryMs = 1_000;
const maxRetryMs = 60_000;

/**
 * Looks for those whom nobody sends again, a push and a start: one that fails is repeated, later and later, until one at
 * that repository succeeds. Whoever asked is told of the failure all the same.
 */
export function makeInsistence({ watcher, clock, log, signal }: InsistenceParts): Pick<Watcher, "look"> {
  const owed = new Set<string>();

  async function repeat(repository: string, actor: string | undefined): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      await clock.sleep(backoffMs({ failures, firstMs: firstRetryMs, maxMs: maxRetryMs }), signal);
      if (!owed.has(repository)) return;
      try {
        await watcher.look(repository, { actor });
        owed.delete(repository);
        log.info({ repository, failures }, "looking at a repository works again");
        return;
      } catch (thrown) {
        log.warn({ repository, failures, error: messageOf(thrown) }, "looking at a repository failed again");
      }
    }
  }

  return {
    async look(repository, cause) {
      try {
        const outcome = await watcher.look(repository, cause);
        owed.delete(repository);
        return outcome;
      } catch (thrown) {
        // Only a sleep that is stopped rejects.
        if (!owed.has(repository)) repeat(repository, cause?.actor).catch(() => undefined);
        owed.add(repository);
        throw thrown;
      }
    },
  };
}
