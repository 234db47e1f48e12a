import type { Clock } from "../../core/clock.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { leaseMs, type LeaseBook } from "../../core/lease.ts";
import type { Log } from "../../core/log.ts";
import { titleOf } from "./place.ts";

interface Waiting {
  readonly book: Pick<LeaseBook, "take">;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const lookMs = 1_000;

/** Resolves when this server is the one that acts; rejects only when the signal aborts. */
export async function untilOurTurn({ book, clock, log, signal }: Waiting): Promise<void> {
  for (let isAway = false; ;) {
    try {
      if ((await book.take()).isOurs) return;
      isAway = false;
    } catch (error) {
      if (!isAway) log.warn({ error: messageOf(error) }, "whose turn it is could not be read");
      isAway = true;
    }
    await clock.sleep(lookMs, signal);
  }
}

/** For the only server of a database: waits for one that was cut off, and throws SETTINGS_INVALID for one that is there. */
export async function takeAlone({ book, clock, log }: Omit<Waiting, "signal">): Promise<void> {
  const first = await book.take();
  if (first.isOurs) return;
  const holder = titleOf(first.place);
  log.warn({ holder, waitMs: leaseMs }, "another server has this database; waiting whether it is there");
  const signal = AbortSignal.timeout(leaseMs + 2 * lookMs);
  await untilOurTurn({ book, clock, log, signal }).catch((cause: unknown) => {
    throw new WaybillError(
      "SETTINGS_INVALID",
      `another server (${holder}) acts for the database that DATABASE_URL names: stop it, or use another database. ` +
        "To run several servers, let them share one data folder and set WAYBILL_REPLICA to another name for each",
      { cause },
    );
  });
}
