import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf } from "../../../test/support/schedules.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import { makeSchedules } from "./times.ts";

const schedules = makeSchedules();
const minutes = (schedule: Partial<ResolvedSchedule["catchUp"]>): ResolvedSchedule =>
  scheduleOf({ interval: 60, catchUp: { policy: "latest", limit: 100, maxAgeSeconds: 604_800, ...schedule } });

function due(schedule: ResolvedSchedule, after: string, until: string): string {
  const span = { after: new Date(`2026-01-01T${after}Z`), until: new Date(`2026-01-01T${until}Z`) };
  const { times, missed } = schedules.due(schedule, span);
  return `${times.map((time) => time.toISOString().slice(11, 16)).join(" ")} missed ${missed}`;
}

test("a time is due once it has come, and only once", () => {
  assert.equal(due(minutes({}), "10:00:00", "10:01:00"), "10:01 missed 0");
  assert.equal(due(minutes({}), "10:01:00", "10:01:59"), " missed 0");
});

test("what was missed is skipped, made up for once, or in full", () => {
  assert.equal(due(minutes({ policy: "skip" }), "10:00:00", "10:05:30"), "10:05 missed 4");
  assert.equal(due(minutes({ policy: "latest" }), "10:00:00", "10:05:30"), "10:05 missed 4");
  assert.equal(due(minutes({ policy: "all" }), "10:00:00", "10:05:30"), "10:01 10:02 10:03 10:04 10:05 missed 0");
  const hourly = scheduleOf({ interval: 3600 });
  assert.equal(due(hourly, "10:00:00", "13:30:00"), "13:00 missed 2", "nothing has come due since");
});

test("within the minute that counts as on time, only the newest does", () => {
  const quick = (policy: "skip" | "latest" | "all", limit = 100) =>
    scheduleOf({ interval: 5, catchUp: { policy, limit, maxAgeSeconds: 604_800 } });
  const startedAfter50s = (schedule: ResolvedSchedule): readonly [number, number, string] => {
    const span = { after: new Date("2026-01-01T10:00:00Z"), until: new Date("2026-01-01T10:00:52Z") };
    const { times, missed } = schedules.due(schedule, span);
    return [times.length, missed, times.at(-1)?.toISOString().slice(11, 19) ?? ""];
  };
  assert.deepEqual(startedAfter50s(quick("skip")), [1, 9, "10:00:50"]);
  assert.deepEqual(startedAfter50s(quick("latest")), [1, 9, "10:00:50"]);
  assert.deepEqual(startedAfter50s(quick("all", 6)), [6, 4, "10:00:50"]);
  assert.deepEqual(startedAfter50s(quick("all")), [10, 0, "10:00:50"]);
});

test("the newest are made up for, and none that are too old", () => {
  assert.equal(due(minutes({ policy: "all", limit: 2 }), "09:00:00", "10:05:30"), "10:04 10:05 missed 63");
  const young = minutes({ policy: "all", maxAgeSeconds: 150 });
  assert.equal(due(young, "09:00:00", "10:05:30"), "10:04 10:05 missed 63", "10:03 is 150 seconds ago");
  assert.equal(due(minutes({ policy: "latest", maxAgeSeconds: 30 }), "09:00:30", "09:02:45"), "09:02 missed 1");
});

test("a second's schedule that was away for a year is dealt with in bounded time", () => {
  const seconds = scheduleOf({ cron: "* * * * * *", catchUp: { policy: "all", limit: 3, maxAgeSeconds: 1e9 } });
  const span = { after: new Date("2025-01-01T00:00:00Z"), until: new Date("2026-01-01T00:00:00Z") };
  const { times, missed } = schedules.due(seconds, span);
  assert.deepEqual([times.length, missed], [3, 1000]);
});

test("jitter is the same for a key, and spread over the schedule's", () => {
  const schedule = scheduleOf({ interval: 60, jitterSeconds: 100 });
  const delays = Array.from({ length: 200 }, (_, index) => schedules.jitterMs(schedule, `key ${index}`));
  assert.deepEqual(
    delays,
    Array.from({ length: 200 }, (_, index) => schedules.jitterMs(schedule, `key ${index}`)),
  );
  assert.ok(delays.every((delay) => delay >= 0 && delay < 100_000));
  assert.ok(Math.max(...delays) > 90_000 && Math.min(...delays) < 10_000);
  assert.equal(schedules.jitterMs(scheduleOf({ interval: 60 }), "key"), 0);
});
