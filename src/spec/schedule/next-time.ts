import type { ResolvedSchedule } from "../resolved.ts";
import { cronTimes } from "./cron.ts";
import { recurrenceTimes } from "./recurrence.ts";
import { makeZone, type WallMs, type Zone } from "./zone.ts";

/** The first time after that moment; null when there is none. Milliseconds since 1970. */
export type NextTime = (afterMs: number) => number | null;

/** From here on, intervals keep the time of day over the change to summer time and back. */
const daySeconds = 86_400;

/**
 * The times of a checked schedule, whether or not it is active. Cron and recurrence rules are read on the clock of the
 * schedule's zone: a time that the clock shows twice counts once, the first time; one that it skips counts as much later
 * as the clock went forward. Intervals under a day are counted in elapsed time, from a day on by the clock.
 */
export function makeNextTime(schedule: ResolvedSchedule): NextTime {
  const next = timesOf(schedule);
  const startMs = schedule.startAt === null ? Number.NEGATIVE_INFINITY : Date.parse(schedule.startAt);
  const endMs = schedule.endAt === null ? Number.POSITIVE_INFINITY : Date.parse(schedule.endAt);
  return (afterMs) => {
    if (afterMs >= endMs) return null;
    const time = next(Math.max(afterMs, startMs - 1));
    return time !== null && time <= endMs ? time : null;
  };
}

function timesOf({ when, anchor, timezone }: ResolvedSchedule): NextTime {
  const zone = makeZone(timezone);
  const anchorMs = anchor === null ? 0 : Date.parse(anchor);
  const from = zone.wallAt(anchorMs);
  switch (when.by) {
    case "cron":
      return byTheClock(cronTimes(when.cron, when), zone);
    case "rrule":
      return byTheClock(recurrenceTimes(when.rrule, { from, zone }), zone);
    case "interval": {
      const everyMs = when.intervalSeconds * 1000;
      return when.intervalSeconds < daySeconds ? every(everyMs, anchorMs) : byTheClock(every(everyMs, from), zone);
    }
    default:
      return when satisfies never;
  }
}

const every = (stepMs: number, from: number) => (after: number) =>
  from + (Math.floor((after - from) / stepMs) + 1) * stepMs;

const dayMs = daySeconds * 1000;

/** Times of a wall's clock, in order there, as points in time, in order here: in the skipped hour the two differ. */
function byTheClock(next: (after: WallMs) => WallMs | null, zone: Zone): NextTime {
  const offsetAt = (timeMs: number): number => zone.wallAt(timeMs) - timeMs;
  return (afterMs) => {
    // What the clock skipped within the last day may still be to come.
    const skippedMs = Math.max(0, offsetAt(afterMs) - offsetAt(afterMs - dayMs));
    let best: number | null = null;
    for (let wall = next(zone.wallAt(afterMs) - skippedMs); wall !== null; wall = next(wall)) {
      if (best !== null && wall >= zone.wallAt(best)) break;
      const time = zone.instantOf(wall);
      if (time > afterMs && (best === null || time < best)) best = time;
    }
    return best;
  };
}
