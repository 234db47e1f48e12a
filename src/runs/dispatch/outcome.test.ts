import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunEnd } from "../../targets/run-executor.ts";
import { afterEnd, retryDelayMs } from "./outcome.ts";

const now = new Date("2026-03-04T10:00:00Z");
const end = (changes: Partial<RunEnd>): RunEnd => ({
  exitStatus: 0,
  signal: null,
  crash: null,
  reason: "",
  endedAt: now,
  peakMemoryBytes: null,
  result: null,
  resultFault: null,
  files: [],
  ...changes,
});
const none = { limit: 0, delaysSeconds: [0], backoff: "fixed", jitter: 0 } as const;
const facts = { run: { retries: 0 }, retries: none, timedOutAfterSeconds: null, now, random: () => 0 };

test("how a program ended is how its run ended", () => {
  const state = (changes: Partial<RunEnd>, timedOutAfterSeconds: number | null = null) =>
    afterEnd({ ...facts, end: end(changes), timedOutAfterSeconds }).status;
  assert.equal(state({}).state, "Completed");
  assert.deepEqual(state({ exitStatus: 3, reason: "exited with status 3" }), {
    state: "Failed",
    since: now,
    reason: "exited with status 3",
    waitingFor: null,
  });
  assert.equal(state({ exitStatus: null, signal: "SIGKILL", crash: "killed by SIGKILL" }).state, "Crashed");
  const timedOut = state({ exitStatus: null, signal: "SIGTERM", crash: "killed by SIGTERM" }, 60);
  assert.deepEqual(
    [timedOut.state, timedOut.reason],
    ["TimedOut", "took longer than its timeout of 60 s, and was ended"],
  );
  assert.equal(state({ resultFault: "what it wrote is not kept" }).reason, "what it wrote is not kept");
});

test("what did not complete is tried again, as often as its file says", () => {
  const retries = { ...none, limit: 2, delaysSeconds: [30] };
  const failed = end({ exitStatus: 1, reason: "exited with status 1" });
  const first = afterEnd({ ...facts, end: failed, retries });
  assert.equal(first.status.state, "Retrying");
  assert.equal(first.status.reason, "exited with status 1\nretry 1 of 2 in 30 s");
  assert.equal(first.status.waitingFor, "its next attempt at 2026-03-04T10:00:30.000Z");
  assert.deepEqual([first.retries, first.dueAt], [1, new Date("2026-03-04T10:00:30Z")]);
  assert.equal(afterEnd({ ...facts, run: { retries: 2 }, end: failed, retries }).status.state, "Failed");
  assert.equal(afterEnd({ ...facts, end: end({}), retries }).status.state, "Completed");
});

test("delays are fixed, listed or double, stay under a day, and vary by chance", () => {
  const delays = (delaysSeconds: readonly number[], backoff: "fixed" | "exponential", jitter = 0) =>
    [1, 2, 3, 40].map(
      (retry) => retryDelayMs({ limit: 100, delaysSeconds, backoff, jitter }, retry, () => 0.5) / 1_000,
    );
  assert.deepEqual(delays([10], "fixed"), [10, 10, 10, 10]);
  assert.deepEqual(delays([10], "exponential"), [10, 20, 40, 86_400]);
  assert.deepEqual(delays([1, 60], "fixed"), [1, 60, 60, 60]);
  assert.deepEqual(delays([1, 60], "exponential"), [1, 60, 120, 86_400]);
  assert.deepEqual(delays([10], "fixed", 0.2), [11, 11, 11, 11]);
});
