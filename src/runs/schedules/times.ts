import { createHash } from "node:crypto";
import { makeNextTime, type NextTime } from "../../spec/schedule/next-time.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import { onTimeMs, type Due, type Schedules, type Span } from "./schedules.ts";

/** More are not counted: what fires each second and was away for a month would take seconds to count. */
const maxMissed = 1000;

export function makeSchedules(): Schedules {
  const nextOf = remembered();
  return {
    upcoming: (schedule, after, count) => {
      return dates(take(nextOf(schedule), { afterMs: after.getTime(), untilMs: Number.POSITIVE_INFINITY, count }));
    },
    due: (schedule, span) => dueTimes(schedule, nextOf(schedule), span),
    jitterMs: ({ jitterSeconds }, key) => Math.floor(fractionOf(key) * jitterSeconds * 1000),
  };
}

/** Opening a rule costs more than asking for its next time. */
function remembered(): (schedule: ResolvedSchedule) => NextTime {
  const known = new WeakMap<ResolvedSchedule, NextTime>();
  return (schedule) => {
    const next = known.get(schedule) ?? makeNextTime(schedule);
    known.set(schedule, next);
    return next;
  };
}

interface Range {
  readonly afterMs: number;
  readonly untilMs: number;
  readonly count: number;
}

/** The first of the times in (`afterMs`, `untilMs`]. */
function take(next: NextTime, { afterMs, untilMs, count }: Range): readonly number[] {
  const times: number[] = [];
  let time = next(afterMs);
  while (time !== null && time <= untilMs && times.length < count) {
    times.push(time);
    time = times.length < count ? next(time) : null;
  }
  return times;
}

/** The last of them, found without going through all: looked for in ever longer spans before the end. */
function takeLast(next: NextTime, { afterMs, untilMs, count }: Range): readonly number[] {
  if (count === 0) return [];
  for (let lookMs = onTimeMs; ; lookMs *= 2) {
    const fromMs = Math.max(afterMs, untilMs - lookMs);
    const times = take(next, { afterMs: fromMs, untilMs, count: Number.POSITIVE_INFINITY });
    if (times.length >= count || fromMs <= afterMs) return times.slice(-count);
  }
}

/** Only the newest time can be on time: what came before it was missed, however short a while ago. */
function dueTimes({ catchUp }: ResolvedSchedule, next: NextTime, { after, until }: Span): Due {
  const [afterMs, untilMs] = [after.getTime(), until.getTime()];
  const onTime = takeLast(next, { afterMs: Math.max(afterMs, untilMs - onTimeMs), untilMs, count: 1 });
  const [metMs = untilMs + 1] = onTime;
  const missed = {
    afterMs: Math.max(afterMs, untilMs - catchUp.maxAgeSeconds * 1000),
    untilMs: metMs - 1,
    count: { all: catchUp.limit, latest: 1, skip: 0 }[catchUp.policy] - onTime.length,
  };
  const madeUp = missed.count < 1 || missed.afterMs >= missed.untilMs ? [] : takeLast(next, missed);
  const times = [...madeUp, ...onTime];
  const count = take(next, { afterMs, untilMs, count: maxMissed + times.length }).length;
  return { times: dates(times), missed: count - times.length };
}

const dates = (times: readonly number[]): readonly Date[] => times.map((time) => new Date(time));

/** From 0 to 1, spread evenly over keys. */
const fractionOf = (key: string): number => createHash("sha256").update(key).digest().readUInt32BE() / 2 ** 32;
