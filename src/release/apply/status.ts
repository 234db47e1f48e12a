import { stackKey, type StackName } from "../../core/stack.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import type { Driver } from "./drive.ts";
import type { ReleaseEvent } from "../release.ts";
import type { ReleaseStore } from "../store.ts";
import type { Workload, WorkloadStatus } from "../workload.ts";

interface ObserverParts {
  readonly store: Pick<ReleaseStore, "deployment" | "setState">;
  readonly driver: Pick<Driver, "isBusy">;
  readonly events: Feed<ReleaseEvent>;
  /** How to say something of these without a value of their secrets. */
  readonly conceal: (...workloads: readonly (Workload | null)[]) => Promise<(text: string) => string>;
  readonly log: Log;
}

/**
 * Takes in what a target sees of a workload that was applied before: it crashed, it answers again. During an apply
 * the driver speaks for the deployment, and a failed apply stays shown until something changes.
 */
export function makeObserver({ store, driver, events, conceal, log }: ObserverParts) {
  const last = new Map<string, Promise<void>>();

  async function note(stack: StackName, { state, reason: seen }: WorkloadStatus): Promise<void> {
    if (driver.isBusy(stack)) return;
    const row = await store.deployment(stack);
    const reason = row === null || seen === "" ? seen : (await conceal(row.workload, row.appliedWorkload))(seen);
    if (!row || row.desiredDigest !== row.appliedDigest || driver.isBusy(stack)) return;
    if (row.state === state && row.reason === reason) return;
    await store.setState(stack, state, reason);
    events.publish({ type: "deployment", ...stack });
  }

  /** Observations of one stack are written in the order in which they came. */
  return (stack: StackName, status: WorkloadStatus): void => {
    const key = stackKey(stack);
    const noted = (last.get(key) ?? Promise.resolve())
      .then(() => note(stack, status))
      .catch((cause: unknown) => log.error({ stack: key, err: cause }, "a status could not be recorded"));
    last.set(key, noted);
  };
}
