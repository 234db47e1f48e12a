import type { ResolvedSchedule } from "../../spec/resolved.ts";

/** When schedules fire: pure, and bounded in time for any schedule that was checked. */
export interface Schedules {
  /**
   * The next times after `after`, ascending, at most `count`; fewer where the schedule ends. Pauses and jitter are no
   * business of these: a time is the key of its run.
   */
  upcoming(schedule: ResolvedSchedule, after: Date, count: number): readonly Date[];
  /** Which of the times in (`after`, `until`] are to be run, by the schedule's `catchUp`. */
  due(schedule: ResolvedSchedule, span: Span): Due;
  /** How long after its time a run starts: from 0 to the schedule's jitter, always the same for one `key`. */
  jitterMs(schedule: ResolvedSchedule, key: string): number;
}

/** `after`: up to when the schedule was looked at before. `until`: now. */
export interface Span {
  readonly after: Date;
  readonly until: Date;
}

export interface Due {
  /** Ascending. The newest time, if it is less than `onTimeMs` ago, was not missed, and is always one of these. */
  readonly times: readonly Date[];
  /** How many were missed and are not made up for; at most 1,000 are counted. */
  readonly missed: number;
}

/** Whoever looks at schedules is woken at their times; a newest one that is this young was not missed but met. */
export const onTimeMs = 60_000;
