import assert from "node:assert/strict";
import { test } from "node:test";
import { cronJobSchedule } from "./cron-expression.ts";

const read = (cron: string, isDayOr = true): string => {
  const found = cronJobSchedule({ cron, isDayOr });
  return "fault" in found ? `no: ${found.fault}` : found.schedule;
};

test("what both read alike is handed on", () => {
  for (const cron of ["0 2 * * *", "*/15 8-18 * * mon-fri", "@daily", "5,35 0-23/2 1 JAN,jul *", "0 0 13 * 5"]) {
    assert.equal(read(cron), cron);
  }
});

test("Sunday is 0", () => {
  assert.equal(read("0 0 * * 7"), "0 0 * * 0");
  assert.equal(read("0 0 * * 5-7"), "0 0 * * 0,5,6");
  assert.equal(read("0 0 * * 1-7/2"), "0 0 * * 0,1,3,5");
  assert.equal(read("0 0 * * mon,7"), "0 0 * * 0,1");
});

test("what only the server can do is said", () => {
  assert.equal(read("0 0 2 * * *"), "no: its cron expression has seconds");
  assert.equal(read("0 0 L * *"), "no: Kubernetes' cron does not know L");
  assert.equal(read("0 0 * * 5#2"), "no: Kubernetes' cron does not know 5#2");
  assert.equal(read("0 0 * * 1,7/2"), "no: Kubernetes' cron does not know 7/2");
  assert.equal(read("/5 * * * *"), "no: Kubernetes' cron does not know /5");
  assert.equal(read("0 0 13 * 5", false), "no: dayOr is false");
  assert.equal(read("0 0 13 * *", false), "0 0 13 * *");
  assert.equal(read("0 0 */2 * 5"), "no: both of its days are given, one with a step");
});
