import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../../../core/errors.ts";
import { makeFailedTries } from "./failed-tries.ts";

const stack = { repository: "shop", environment: "production", deployment: "ranker" };

test("a revision that failed in the old one's place is tried again ever later", () => {
  const time = { ms: 0 };
  const tries = makeFailedTries({ now: () => new Date(time.ms) });
  const delayMs = (): number => {
    try {
      tries.check(stack, "a");
      return 0;
    } catch (error) {
      assert.ok(error instanceof WaybillError && error.verdict === "waiting");
      return error.retryAfterMs ?? -1;
    }
  };
  assert.equal(delayMs(), 0);
  tries.note(stack, "a", "exited with 3");
  assert.equal(delayMs(), 60_000);
  assert.throws(() => tries.check(stack, "a"), {
    code: "ROLLOUT_WAITING",
    message: "the old revision runs again; the new one is tried again in 1 min. It failed: exited with 3",
  });
  tries.check(stack, "b");
  time.ms += 60_000;
  assert.equal(delayMs(), 0);
  tries.note(stack, "a", "exited with 3");
  assert.equal(delayMs(), 120_000);
  for (let count = 0; count < 20; count += 1) tries.note(stack, "a", "exited with 3");
  assert.equal(delayMs(), 3_600_000);
  tries.note(stack, "b", "another");
  assert.equal(delayMs(), 0, "another revision begins anew");
  tries.forget(stack);
  tries.check(stack, "b");
});
