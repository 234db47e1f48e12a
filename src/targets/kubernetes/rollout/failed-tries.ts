import { backoffMs } from "../../../core/waiting/backoff.ts";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";

/** Revisions that failed in the place of their old one. */
export interface FailedTries {
  /** Throws ROLLOUT_WAITING where it is too early for another try: each one is an outage. */
  check(stack: StackName, revision: string): void;
  note(stack: StackName, revision: string, failure: string): void;
  forget(stack: StackName): void;
}

interface Failed {
  readonly revision: string;
  readonly failures: number;
  readonly failure: string;
  readonly againAt: Date;
}

const delays = { firstMs: 60_000, maxMs: 3_600_000 };

export function makeFailedTries(clock: Pick<Clock, "now">): FailedTries {
  const tries = new Map<string, Failed>();
  return {
    check(stack, revision) {
      const last = tries.get(stackKey(stack));
      const leftMs = (last?.againAt.getTime() ?? 0) - clock.now().getTime();
      if (!last || last.revision !== revision || leftMs <= 0) return;
      const message = `the old revision runs again; the new one is tried again in ${Math.ceil(leftMs / 60_000)} min. It failed: ${last.failure}`;
      throw new WaybillError("ROLLOUT_WAITING", message, { retryAfterMs: leftMs });
    },
    note(stack, revision, failure) {
      const last = tries.get(stackKey(stack));
      const failures = last?.revision === revision ? last.failures + 1 : 1;
      const againAt = new Date(clock.now().getTime() + backoffMs({ failures, ...delays }));
      tries.set(stackKey(stack), { revision, failures, failure, againAt });
    },
    forget: (stack) => void tries.delete(stackKey(stack)),
  };
}
