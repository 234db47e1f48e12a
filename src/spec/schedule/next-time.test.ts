import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf } from "../../../test/support/schedules.ts";
import { makeNextTime } from "./next-time.ts";

const times = (schedule: Parameters<typeof scheduleOf>[0], from: string, count: number): string => {
  const next = makeNextTime(scheduleOf(schedule));
  const found: string[] = [];
  for (let time = next(Date.parse(from)); time !== null && found.length < count; time = next(time)) {
    found.push(new Date(time).toISOString().slice(0, 16));
  }
  return found.join(" ");
};

const timezone = "Europe/Berlin";

test("cron is read on the clock of its zone: 02:30 is skipped in March, and comes once in October", () => {
  const halfPastTwo = { cron: "30 2 * * *", timezone };
  assert.equal(
    times(halfPastTwo, "2026-03-28T00:00Z", 3),
    "2026-03-28T01:30 2026-03-29T01:30 2026-03-30T00:30",
    "03:30 on the day that has no 02:30",
  );
  assert.equal(times(halfPastTwo, "2026-10-24T12:00Z", 2), "2026-10-25T00:30 2026-10-26T01:30");
});

test("an hourly cron pauses for two hours when the clock goes back, and skips none when it goes forward", () => {
  const hourly = { cron: "0 * * * *", timezone };
  assert.equal(times(hourly, "2026-10-24T23:30Z", 3), "2026-10-25T00:00 2026-10-25T02:00 2026-10-25T03:00");
  assert.equal(times(hourly, "2026-10-25T01:10Z", 1), "2026-10-25T02:00", "asked for in the repeated hour");
  assert.equal(times(hourly, "2026-03-28T23:30Z", 3), "2026-03-29T00:00 2026-03-29T01:00 2026-03-29T02:00");
});

test("an interval under a day is elapsed time; from a day on it keeps the time of day", () => {
  const anchor = "2026-01-01T08:00:00Z";
  assert.equal(
    times({ interval: 3600, timezone, anchor }, "2026-10-24T23:30Z", 3),
    "2026-10-25T00:00 2026-10-25T01:00 2026-10-25T02:00",
  );
  assert.equal(
    times({ interval: 86_400, timezone, anchor }, "2026-10-24T00:00Z", 3),
    "2026-10-24T07:00 2026-10-25T08:00 2026-10-26T08:00",
  );
  assert.equal(times({ interval: 900, anchor: "2030-01-01T00:05:00Z" }, "2026-01-01T00:00Z", 1), "2026-01-01T00:05");
});

test("a set of rules and dates, with exceptions; Z is a point in time, without it the clock on the wall", () => {
  const set = [
    "RRULE:FREQ=DAILY;BYHOUR=9;UNTIL=20260105T080000Z",
    "RDATE:20260110T120000,20260111T120000Z",
    "EXDATE:20260103T090000",
    "EXRULE:FREQ=WEEKLY;BYDAY=FR;BYHOUR=9",
  ].join("\n");
  assert.equal(
    times({ rrule: set, timezone, anchor: "2025-12-31T23:00:00Z" }, "2025-12-31T00:00Z", 9),
    "2026-01-01T08:00 2026-01-04T08:00 2026-01-05T08:00 2026-01-10T11:00 2026-01-11T12:00",
  );
});

test("a month's last day, its last Friday, both days of a cron", () => {
  assert.equal(
    times({ rrule: "FREQ=MONTHLY;BYMONTHDAY=-1" }, "2026-01-31T00:00Z", 2),
    "2026-02-28T00:00 2026-03-31T00:00",
  );
  for (const cron of ["0 9 * * 5L", "0 9 * * L5", "0 9 * * FRIL"]) {
    assert.equal(times({ cron }, "2026-11-21T00:00Z", 2), "2026-11-27T09:00 2026-12-25T09:00", cron);
  }
  assert.equal(
    times({ cron: "0 0 13 * 5", dayOr: false }, "2026-01-01T00:00Z", 2),
    "2026-02-13T00:00 2026-03-13T00:00",
  );
  assert.equal(times({ cron: "0 0 13 * 5" }, "2026-01-01T00:00Z", 2), "2026-01-02T00:00 2026-01-09T00:00");
  assert.equal(times({ cron: "15 0 9 * * *" }, "2026-01-01T00:00Z", 1), "2026-01-01T09:00", "seconds come first");
});

test("it begins and ends when it is said to", () => {
  const daily = { cron: "@daily", startAt: "2026-01-03T00:00:00Z", endAt: "2026-01-05T00:00:00Z" };
  assert.equal(times(daily, "2026-01-01T00:00Z", 9), "2026-01-03T00:00 2026-01-04T00:00 2026-01-05T00:00");
});

test("rules whose times contradict each other end, in bounded time", () => {
  for (const rrule of [
    "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
    "FREQ=DAILY;COUNT=3",
  ]) {
    assert.equal(times({ rrule }, "2026-01-01T00:00Z", 1), "", rrule);
  }
});
