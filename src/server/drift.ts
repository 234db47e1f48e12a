import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { StackName } from "../core/stack.ts";
import type { Driver } from "../release/apply/drive.ts";
import type { DriftRow, ReleaseStore } from "../release/store.ts";
import { foundationTarget } from "../targets/deployer/foundations.ts";
import type { Closers } from "./closers.ts";
import type { OpenDrift } from "./targets/drift.ts";

interface DriftWiring {
  /** Null: there is nothing to watch. */
  readonly drift: OpenDrift | null;
  readonly store: Pick<ReleaseStore, "drifts" | "deployments">;
  readonly driver: Pick<Driver, "restore">;
  readonly note: (row: DriftRow) => void;
  readonly log: Log;
  readonly closers: Closers;
}

/** What others change is recorded, and put back by an apply where that is set. */
export async function keepDrift({ drift, store, driver, note, log, closers }: DriftWiring): Promise<void> {
  if (drift === null) return;
  async function restore(stack: StackName, shared: boolean): Promise<void> {
    if (!shared) return driver.restore(stack);
    // What an environment's deployments share is made by the apply of any of them on that target.
    const { repository, environment } = stack;
    const rows = await store.deployments({ repository, environment });
    const user = rows.find(({ workload, state }) => workload?.target === foundationTarget(stack) && state !== "paused");
    if (user) driver.restore(user.stack);
  }
  closers.add(drift.onSeen(note));
  closers.add(
    drift.onRestore((stack, shared) => {
      restore(stack, shared).catch((error: unknown) => {
        log.error({ ...stack, error: messageOf(error) }, "what others changed could not be put back");
      });
    }),
  );
  drift.lookAgain(await store.drifts());
}
