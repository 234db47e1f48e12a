import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Definition } from "../define/definition.ts";
import { desiredOf } from "../define/workloads.ts";
import type { Ahead, Deployer } from "../deployer.ts";
import type { EnvironmentRef } from "../release.ts";
import type { Facts } from "../snapshots/settle.ts";
import type { Workload } from "../workload.ts";
import { jobOf } from "./deploy-jobs.ts";
import type { Driver } from "./drive.ts";

export interface News extends Ahead {
  /** What differs from what runs. */
  readonly changed: readonly Definition[];
  readonly facts: Promise<Facts>;
}

/**
 * Tells the target of what is about to be tagged, so that it may begin with it; of nothing where that is too much.
 * Never throws, and nobody waits.
 */
export type Announce = (environment: EnvironmentRef, news: News) => void;

interface AnnouncerParts {
  readonly driver: Pick<Driver, "isBusy">;
  readonly deployer: Pick<Deployer, "prepare">;
  readonly log: Log;
}

// Many at once would only stand in each other's way: applies are bounded, too.
const maxAnnounced = 4;

export function makeAnnouncer({ driver, deployer, log }: AnnouncerParts): Announce {
  return ({ repository, environment }, { changed, facts, ...ahead }) => {
    const ref = { repository, environment };
    if (changed.length === 0 || changed.length > maxAnnounced) return;
    const tell = (known: Facts): void => {
      for (const workload of newWorkloads(ref, changed, known)) {
        if (!driver.isBusy(workload.stack)) deployer.prepare?.(workload, ahead);
      }
    };
    // The apply that follows does without what was to be begun.
    facts
      .then(tell)
      .catch((error: unknown) => log.warn({ ...ref, error: messageOf(error) }, "nothing was begun ahead"));
  };
}

/** What would be applied anew. */
function newWorkloads(
  { repository, environment }: EnvironmentRef,
  changed: readonly Definition[],
  known: Facts,
): readonly Workload[] {
  return changed.flatMap((definition) => {
    const row = known.rows.find(({ stack }) => stack.deployment === definition.name);
    const desired = desiredOf({ repository, environment, deployment: definition.name }, definition, known);
    const isNews = row?.desiredDigest !== desired.desiredDigest && desired.blocked === null;
    // Its program is not to run before its job has.
    const isFirst = jobOf(desired, "before") === null;
    return isNews && isFirst && desired.workload !== null ? [desired.workload] : [];
  });
}
