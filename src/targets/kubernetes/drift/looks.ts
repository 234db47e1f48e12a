import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { makeSlots } from "../../../core/waiting/slots.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";

/** Looks at stacks, each of which is due at most once. */
export interface Looks {
  /** Aborted when they are closed. */
  readonly signal: AbortSignal;
  soon(stack: StackName): void;
  close(): Promise<void>;
}

interface Dependencies {
  readonly clock: Clock;
  readonly log: Log;
}

// One edit is several events, and an apply of ours is many.
const settleMs = 200;
// An apply that is under way may take its time.
const againMs = 1_000;
const failedMs = 10_000;
const looksAtOnce = 4;

/** `look` answers whether it could tell. One that could not, or failed, is done again. */
export function makeLooks(
  { clock, log }: Dependencies,
  look: (stack: StackName, signal: AbortSignal) => Promise<"done" | "again">,
): Looks {
  const closing = new AbortController();
  const { signal } = closing;
  const slots = makeSlots({ running: looksAtOnce });
  const due = new Set<string>();
  const running = new Set<Promise<void>>();

  async function run(stack: StackName, afterMs: number): Promise<void> {
    const key = stackKey(stack);
    try {
      await clock.sleep(afterMs, signal);
      const outcome = await slots.run(() => {
        // From here on, what changes is not certain to be seen.
        due.delete(key);
        return look(stack, signal);
      });
      if (outcome === "again") later(stack, againMs);
    } catch (error) {
      due.delete(key);
      if (signal.aborted) return;
      log.warn({ stack: key, error: messageOf(error) }, "a stack could not be compared with its cluster");
      later(stack, failedMs);
    }
  }
  function later(stack: StackName, afterMs: number): void {
    const key = stackKey(stack);
    if (due.has(key) || signal.aborted) return;
    due.add(key);
    const task = run(stack, afterMs);
    running.add(task);
    void task.then(() => running.delete(task));
  }
  return {
    signal,
    soon: (stack) => later(stack, settleMs),
    async close() {
      closing.abort(new Error("the server is stopping"));
      await Promise.all(running);
    },
  };
}
