import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf } from "../../../test/support/schedules.ts";
import type { PauseView } from "../views.ts";
import { scheduleNotices } from "./schedule-notices.ts";

const none = { job: null, schedules: new Map<string, PauseView>() };
const pause = (reason: string): PauseView => ({ by: "anna", reason, at: "2026-11-20T12:00:00Z" });

test("a plan says when the schedules of a job start runs", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  const schedules = [
    scheduleOf({ name: "nightly", cron: "0 2 * * *", timezone: "Europe/Berlin" }),
    scheduleOf({ name: "once", rrule: "FREQ=DAILY;COUNT=1", anchor: "2026-11-22T00:00:00Z" }),
    scheduleOf({ name: "over", interval: 60, endAt: "2026-01-01T00:00:00Z" }),
  ];
  assert.deepEqual(scheduleNotices(schedules, none, now), [
    "nightly runs at 2026-11-22T01:00:00Z, 2026-11-23T01:00:00Z, 2026-11-24T01:00:00Z",
    "once runs at 2026-11-22T00:00:00Z, and then no more",
    "over runs never again",
  ]);
});

test("what a person has paused does not run, and who did so is said", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  const schedules = [scheduleOf({ name: "nightly", cron: "@daily" }), scheduleOf({ name: "hourly", interval: 3_600 })];
  const one = { job: null, schedules: new Map([["nightly", pause("the source is down")]]) };
  const [nightly, hourly] = scheduleNotices(schedules, one, now);
  assert.equal(nightly, "nightly is paused by anna (the source is down): it does not run until it is resumed");
  assert.match(hourly ?? "", /^hourly runs at /);
  assert.deepEqual(scheduleNotices(schedules, { ...one, job: pause("") }, now), [
    "paused by anna: no schedule runs until it is resumed",
  ]);
  assert.deepEqual(scheduleNotices([], { ...one, job: pause("") }, now), []);
});
