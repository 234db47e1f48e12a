import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../core/clock.ts";
import type { InstanceRecord } from "./instance.ts";
import type { Exit, StartedProcess } from "./launch.ts";
import { awaitReadiness } from "./readiness.ts";

const crash: Exit = { stage: "command", status: 4, signal: null };
const record = { ports: [], hostname: "127.0.0.1", spec: { kind: "worker" } } as unknown as InstanceRecord;

/** A worker of this age that ends at another one; time passes when somebody sleeps. */
async function waitFor({ ageMs, endsAtMs }: { readonly ageMs: number; readonly endsAtMs: number }) {
  let nowMs = ageMs;
  const ended = Promise.withResolvers<Exit>();
  const process: StartedProcess = {
    pid: 1,
    ageMs: () => nowMs,
    hasEnded: () => nowMs >= endsAtMs,
    ended: () => ended.promise,
  };
  const clock: Clock = {
    now: () => new Date(nowMs),
    async sleep(delayMs) {
      if (nowMs + delayMs >= endsAtMs) {
        nowMs = endsAtMs;
        ended.resolve(crash);
        await new Promise(() => undefined);
      }
      nowMs += delayMs;
    },
  };
  const said: string[] = [];
  const onProgress = (message: string): void => void said.push(message);
  const signal = new AbortController().signal;
  const readiness = await awaitReadiness({ record, process, clock, signal, onProgress });
  return { readiness, nowMs, said };
}

test("a worker is live once it has run for ten seconds", async () => {
  const { readiness, nowMs, said } = await waitFor({ ageMs: 0, endsAtMs: Infinity });
  assert.deepEqual([readiness.ready, nowMs], [true, 10_000]);
  assert.deepEqual(said, ["it runs, and is live when it has run for 10 s"]);
});

test("a worker that needs a while to crash at its start was never live", async () => {
  const { readiness } = await waitFor({ ageMs: 0, endsAtMs: 9_500 });
  assert.deepEqual(readiness, {
    ready: false,
    trouble: { kind: "exited", exit: crash, uptimeMs: 9_500, wasMemory: false },
  });
});

test("what another server has started is not waited for from the beginning", async () => {
  const { readiness, nowMs } = await waitFor({ ageMs: 8_000, endsAtMs: Infinity });
  assert.deepEqual([readiness.ready, nowMs], [true, 10_000]);
  const old = await waitFor({ ageMs: 60_000, endsAtMs: Infinity });
  assert.deepEqual([old.readiness.ready, old.nowMs, old.said], [true, 60_000, []]);
});
