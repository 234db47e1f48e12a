import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { makeNextTime } from "../src/spec/schedule/next-time.ts";
import { scheduleOf } from "./support/schedules.ts";

/** A schedule, and the times that croniter and python-dateutil find after a moment. */
type Case = Parameters<typeof scheduleOf>[0] & { readonly after: string; readonly times: readonly string[] };

const wanted = 6;

function timesAfter({ after, ...schedule }: Omit<Case, "times">): readonly string[] {
  const next = makeNextTime(scheduleOf(schedule));
  const found: string[] = [];
  for (let time = next(Date.parse(after)); time !== null && found.length < wanted; time = next(time)) {
    found.push(new Date(time).toISOString().replace(".000Z", "Z"));
  }
  return found;
}

function compare(cases: readonly Case[]): void {
  for (const { times, ...schedule } of cases) assert.deepEqual(timesAfter(schedule), times, JSON.stringify(schedule));
}

test("500 schedules fire when croniter and python-dateutil said they would", async () => {
  const cases = JSON.parse(await readFile("fixtures/schedules/reference.json", "utf8")) as readonly Case[];
  assert.equal(cases.length, 500);
  compare(cases);
});

const python = process.env["WAYBILL_TEST_PYTHON"];
const skip = python === undefined && "WAYBILL_TEST_PYTHON names no Python that has croniter and python-dateutil";

test("10,000 random ones in ten zones, most of them around a change of the clock, do as well", { skip }, async () => {
  const seed = process.env["WAYBILL_TEST_SEED"] ?? "20261121";
  const args = ["test/support/schedule-reference.py", seed, "10000"];
  const { stdout } = await promisify(execFile)(python ?? "", args, { maxBuffer: 64 << 20 });
  const cases = JSON.parse(stdout) as readonly Case[];
  assert.equal(cases.length, 10_000);
  compare(cases);
});
