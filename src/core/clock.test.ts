import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "./clock.ts";

test("a sleep that is aborted rejects with the reason, before it begins as well", async () => {
  const stopping = new AbortController();
  const reason = new Error("the server is stopping");
  const sleep = systemClock.sleep(60_000, stopping.signal);
  stopping.abort(reason);
  await assert.rejects(sleep, reason);
  await assert.rejects(systemClock.sleep(60_000, stopping.signal), reason);
});
