import assert from "node:assert/strict";
import { test } from "node:test";
import { ahead } from "../moment.tsx";
import { bytesText, durationText } from "./figures.ts";
import { whenText } from "./looks.ts";

test("durations are said in at most two units", () => {
  const said = [0, 40, 3_240, 59_940, 60_000, 320_000, 7_500_000].map(durationText);
  assert.deepEqual(said, ["0 s", "0 s", "3.2 s", "59.9 s", "1 min", "5 min 20 s", "2 h 5 min"]);
});

test("bytes are said in the largest unit that they fill", () => {
  assert.deepEqual([0, 640, 1536, 2 ** 20, 2 ** 50].map(bytesText), ["0 B", "640 B", "1.5 KiB", "1 MiB", "1024 TiB"]);
});

test("what comes is so far away", () => {
  const now = new Date("2026-03-04T10:00:00Z");
  const times = ["04T09:00", "04T10:00:30", "04T10:05", "04T13:59", "05T11:00", "07T10:00", "30T10:00"];
  assert.deepEqual(
    times.map((time) => ahead(new Date(`2026-03-${time}Z`).toISOString(), now)),
    ["at once", "in less than a minute", "in 5 min", "in 3 h", "in a day", "in 3 days", "2026-03-30"],
  );
});

test("a schedule's rule is said as its file has it", () => {
  const timezone = "Europe/Berlin";
  assert.equal(
    whenText({ when: { by: "cron", cron: "0 2 * * *", isDayOr: true }, timezone }),
    "0 2 * * *, Europe/Berlin",
  );
  assert.equal(whenText({ when: { by: "interval", intervalSeconds: 900 }, timezone }), "every 15 min");
  assert.equal(whenText({ when: { by: "rrule", rrule: "FREQ=DAILY" }, timezone }), "FREQ=DAILY, Europe/Berlin");
});
