import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs } from "./backoff.ts";

test("the delay doubles with each failure, up to the maximum", () => {
  const delays = [0, 1, 2, 3, 6, 7, 5_000].map((failures) => backoffMs({ failures, firstMs: 1_000, maxMs: 60_000 }));
  assert.deepEqual(delays, [1_000, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000]);
});
