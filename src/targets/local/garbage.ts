import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { LocalRuns } from "./runs/executor.ts";
import type { Supervisor } from "./processes/supervisor.ts";
import type { Trees } from "./trees/trees.ts";

// As many revisions of a deployment as can be returned to at once, and whose logs can be read.
const keptRevisions = 5;
// What no revision uses any more: of a removed deployment nothing is left after this.
const keptMs = 7 * 24 * 60 * 60 * 1_000;

export interface GarbageCollector {
  /** Removes what no kept revision needs; calls that come meanwhile are one more round. */
  collect(): void;
  /** Resolves when the rounds asked for are done. */
  settled(): Promise<void>;
}

export interface GarbageParts {
  readonly trees: Trees;
  readonly supervisor: Supervisor;
  readonly runs: Pick<LocalRuns, "treesInUse">;
  readonly clock: Clock;
  readonly log: Log;
}

export function makeGarbageCollector({ trees, supervisor, runs, clock, log }: GarbageParts): GarbageCollector {
  let isWaiting = false;
  let last: Promise<void> = Promise.resolve();
  const round = async (): Promise<void> => {
    isWaiting = false;
    try {
      const limits = { kept: keptRevisions, before: new Date(clock.now().getTime() - keptMs) };
      supervisor.forgetAllBut(limits);
      await trees.removeUnused({ ...limits, inUse: runs.treesInUse() });
    } catch (error) {
      log.warn({ error: messageOf(error) }, "old source trees cannot be removed");
    }
  };
  return {
    collect() {
      if (isWaiting) return;
      isWaiting = true;
      last = last.then(round);
    },
    settled: () => last,
  };
}
