import { onTimeMs, type Due, type Span } from "./schedules.ts";
import type { Passed } from "../store.ts";

/** How far a schedule was looked at. */
export interface Look {
  /** Its times up to here were fired or passed over. */
  readonly until: Date;
  /** Of those, the newest that were passed over. */
  readonly passed: Passed | null;
  /** The clock was set back before the end of `passed`: those times are met as they come. */
  readonly isBack: boolean;
}

const never = new Date(0);

/** Of a schedule that is looked at from now on: nothing of before became a run. */
export const firstLook = (now: Date): Look => ({ until: now, passed: { after: never, until: now }, isBack: false });

/** By a clock that shows `now`, which may be less than it was. */
export function wentBack(look: Look, now: Date): Look {
  const { passed } = look;
  if (!passed || now >= passed.until) return look;
  return { ...look, isBack: true, passed: passed.after > never ? passed : { ...passed, after: now } };
}

/** The times to be looked at next. */
export function spanOf({ until, passed, isBack }: Look, now: Date): Span {
  if (!passed || !isBack || passed.after >= passed.until) return { after: until, until: now };
  return { after: passed.after, until: soonerOf(passed.until, now) };
}

/** After `span` of it was looked at. */
export function lookAfter(look: Look, span: Span, { times, missed }: Due): Look {
  const { passed } = look;
  if (passed && span.after < look.until) {
    return { ...look, passed: { ...passed, after: span.until }, isBack: span.until < passed.until };
  }
  const until = span.until;
  if (missed === 0) return { until, passed, isBack: false };
  // What is made up for is the newest of what was missed: the rest lies before it.
  const [first] = times;
  const restUntil = new Date(first ? first.getTime() - 1 : until.getTime() - onTimeMs);
  return { until, passed: { after: span.after, until: restUntil }, isBack: false };
}

const soonerOf = (a: Date, b: Date): Date => (a < b ? a : b);
