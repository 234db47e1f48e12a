import type { Clock } from "../../core/clock.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { BegunDeployRun } from "./deploy-jobs.ts";
import type { Step } from "./drive.ts";

interface AftersParts {
  readonly steps: Feed<Step>;
  readonly clock: Clock;
  readonly log: Log;
}

// Whoever pushed is not kept for longer than this by what follows.
const longestFollowMs = 120_000;

/** Tells how the runs end that follow switches; nothing depends on it. */
export function makeAfters({ steps, clock, log }: AftersParts, signal: AbortSignal) {
  const following = new Map<string, Promise<void>>();

  async function tell(stack: StackName, run: BegunDeployRun, url: string | null): Promise<void> {
    const { text } = await run.ended(signal);
    const message = `run ${run.id} (deploy.after) is ${text}`;
    steps.publish({ stack, state: "ready", message, url, at: clock.now() });
  }

  return {
    follow: (stack: StackName, run: BegunDeployRun, url: string | null): void => {
      const key = stackKey(stack);
      const ended = tell(stack, run, url)
        .catch((error: unknown) => {
          if (!signal.aborted) log.warn({ stack: key, err: error }, "a run after a switch was lost sight of");
        })
        .finally(() => {
          if (following.get(key) === ended) following.delete(key);
        });
      following.set(key, ended);
    },
    async ended(stack: StackName): Promise<void> {
      const ended = following.get(stackKey(stack));
      if (!ended) return;
      const over = new AbortController();
      const time = clock.sleep(longestFollowMs, over.signal).catch(() => undefined);
      await Promise.race([ended, time]).finally(() => over.abort());
    },
    close: async (): Promise<void> => void (await Promise.all(following.values())),
  };
}

export type Afters = ReturnType<typeof makeAfters>;
