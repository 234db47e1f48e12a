import assert from "node:assert/strict";
import { test } from "node:test";
import { drainTimeoutMs, pollIntervalMs } from "./settings.ts";

test("the polling interval is a duration within bounds, half a minute where none is given", () => {
  const interval = (text?: string): number => pollIntervalMs({ WAYBILL_POLL_INTERVAL: text });
  assert.deepEqual([interval(), interval(""), interval("500ms"), interval("24h")], [30_000, 30_000, 500, 86_400_000]);
  for (const text of ["0s", "99ms", "25h", "500", "soon", "-1s"]) {
    assert.throws(() => interval(text), {
      code: "SETTINGS_INVALID",
      message: `WAYBILL_POLL_INTERVAL is "${text}", but must be a duration from 100ms to 24h, such as 30s`,
    });
  }
});

test("requests under way have two seconds to finish, or what is set", () => {
  const timeout = (text?: string): number => drainTimeoutMs({ WAYBILL_DRAIN_TIMEOUT: text });
  assert.deepEqual([timeout(), timeout("0s"), timeout("30s")], [2_000, 0, 30_000]);
  assert.throws(() => timeout("2h"), {
    code: "SETTINGS_INVALID",
    message: 'WAYBILL_DRAIN_TIMEOUT is "2h", but must be a duration of 1h at most, such as 30s',
  });
});
