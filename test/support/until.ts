import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const longestPauseMs = 50;

/** Waits until it is so; `what` is what a test that waited in vain says. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, limitMs = 30_000): Promise<void> {
  const deadlineMs = Date.now() + limitMs;
  for (let pauseMs = 5; !(await holds()); pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    assert.ok(Date.now() < deadlineMs, `not within ${limitMs} ms: ${what}`);
    await sleep(pauseMs);
  }
}
