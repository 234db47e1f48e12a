import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf } from "../../../test/support/schedules.ts";
import { scheduleNotices } from "./schedule-notices.ts";

test("a plan says when the schedules of a job start runs", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  const schedules = [
    scheduleOf({ name: "nightly", cron: "0 2 * * *", timezone: "Europe/Berlin" }),
    scheduleOf({ name: "switched-off", cron: "@daily", isActive: false }),
    scheduleOf({ name: "once", rrule: "FREQ=DAILY;COUNT=1", anchor: "2026-11-22T00:00:00Z" }),
    scheduleOf({ name: "over", interval: 60, endAt: "2026-01-01T00:00:00Z" }),
  ];
  assert.deepEqual(scheduleNotices(schedules, now), [
    "nightly runs at 2026-11-22T01:00:00Z, 2026-11-23T01:00:00Z, 2026-11-24T01:00:00Z",
    "once runs at 2026-11-22T00:00:00Z, and then no more",
    "over runs never again",
  ]);
});
