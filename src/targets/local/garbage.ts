import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Supervisor } from "./processes/supervisor.ts";
import type { Trees } from "./trees.ts";

// As many revisions of a deployment as can be returned to at once, and whose logs can be read.
const keptRevisions = 5;

export interface GarbageCollector {
  /** Removes what no kept revision needs; calls that come meanwhile are one more round. */
  collect(): void;
  /** Resolves when the rounds asked for are done. */
  settled(): Promise<void>;
}

export function makeGarbageCollector(parts: { trees: Trees; supervisor: Supervisor; log: Log }): GarbageCollector {
  const { trees, supervisor, log } = parts;
  let isWaiting = false;
  let last: Promise<void> = Promise.resolve();
  const round = async (): Promise<void> => {
    isWaiting = false;
    try {
      supervisor.forgetAllBut(keptRevisions);
      await trees.removeUnused(keptRevisions);
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
