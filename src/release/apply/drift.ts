import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import type { ReleaseEvent } from "../release.ts";
import type { DriftRow, ReleaseStore } from "../store.ts";

interface DriftParts {
  readonly store: Pick<ReleaseStore, "drifts" | "saveDrift">;
  readonly events: Feed<ReleaseEvent>;
  readonly log: Log;
}

/** Takes in what a target sees others change, to be shown. */
export function makeDriftNotes({ store, events, log }: DriftParts) {
  const inTurn = makeTurns();

  async function note(row: DriftRow): Promise<void> {
    const { repository, environment, stack, deployment } = row;
    const known = (await store.drifts({ repository, environment })).find((other) => other.stack === stack);
    if (JSON.stringify(known?.found ?? []) === JSON.stringify(row.found)) return;
    await store.saveDrift(row);
    const type = deployment === null ? "environment" : "deployment";
    events.publish({ type, repository, environment, deployment });
  }

  /** Those of one stack are written in the order in which they came. */
  return (row: DriftRow): void => {
    const key = `${row.repository}/${row.environment}/${row.stack}`;
    inTurn(key, () => note(row)).catch((cause: unknown) => {
      log.error({ stack: key, err: cause }, "what others changed could not be recorded");
    });
  };
}
