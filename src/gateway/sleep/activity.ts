import { messageOf } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { KnownRoute } from "../../targets/route.ts";
import { makeInFlight, type InFlight } from "../in-flight.ts";
import type { StateSource } from "../mirror.ts";

/** What is under way for each deployment, and when those that may sleep were last used. */
export interface Activity extends Pick<InFlight<StackName>, "count" | "idle"> {
  /** Counts one more; call what it answers once that request is over. */
  enter(route: KnownRoute): () => void;
  /** For a timer: writes down who was used lately, so that any server may decide who sleeps. */
  flush(): Promise<void>;
}

interface Parts {
  readonly source: () => Pick<StateSource, "recordActivity">;
  readonly clock: Clock;
  readonly log: Log;
}

interface Use {
  readonly stack: StackName;
  readonly intervalMs: number;
  isUnwritten: boolean;
  writtenAtMs: number;
}

const longestIntervalMs = 5_000;

export function makeActivity({ source, clock, log }: Parts): Activity {
  const underWay = makeInFlight(stackKey);
  const uses = new Map<string, Use>();

  function note({ stack, idle }: KnownRoute): void {
    if (idle === undefined) return;
    const key = stackKey(stack);
    const intervalMs = Math.min(longestIntervalMs, idle.afterSeconds * 250);
    uses.set(key, { stack, intervalMs, isUnwritten: true, writtenAtMs: uses.get(key)?.writtenAtMs ?? 0 });
  }

  return {
    count: (stack) => underWay.count(stack),
    idle: (stack, signal) => underWay.idle(stack, signal),
    enter(route) {
      const leave = underWay.enter(route.stack);
      note(route);
      return () => {
        leave();
        // The end of a long answer is use as well as its beginning.
        note(route);
      };
    },
    async flush() {
      const nowMs = clock.now().getTime();
      const due = [...uses.values()].filter(
        ({ stack, isUnwritten, intervalMs, writtenAtMs }) =>
          (isUnwritten || underWay.count(stack) > 0) && nowMs - writtenAtMs >= intervalMs,
      );
      forgetUnused(uses, (use) => !use.isUnwritten && underWay.count(use.stack) === 0);
      if (due.length === 0) return;
      for (const use of due) [use.isUnwritten, use.writtenAtMs] = [false, nowMs];
      try {
        await source().recordActivity(due.map(({ stack }) => stack));
      } catch (error) {
        for (const use of due) use.isUnwritten = true;
        log.debug({ error: messageOf(error) }, "use of deployments could not be written");
      }
    },
  };
}

function forgetUnused(uses: Map<string, Use>, isUnused: (use: Use) => boolean): void {
  for (const [key, use] of uses) if (isUnused(use)) uses.delete(key);
}
