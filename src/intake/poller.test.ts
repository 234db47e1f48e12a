import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../core/clock.ts";
import { silentLog } from "../core/log.ts";
import { repositoryName, type RepositoryName } from "../core/names.ts";
import { makePoller, pollDelayMs } from "./poller.ts";

/** A clock that passes only when told, waking sleepers in order. */
function manualClock(): Clock & { advance(byMs: number): Promise<void> } {
  let nowMs = 0;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  // Sleepers do real work between sleeps: give promises their turn.
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    now: () => new Date(nowMs),
    sleep: (delayMs, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: nowMs + delayMs, wake: resolve };
        sleepers.add(sleeper);
        const stop = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        if (signal?.aborted) stop();
        else signal?.addEventListener("abort", stop, { once: true });
      }),
    async advance(byMs) {
      await settle();
      const until = nowMs + byMs;
      for (;;) {
        const [next] = [...sleepers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (!next) break;
        nowMs = next.at;
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      nowMs = until;
    },
  };
}

const demo = repositoryName("demo");
const other = repositoryName("other");
const intervalMs = 1_000;

/** `broken`: it has news, and following them fails once. */
type Remote = "same" | "changed" | "away" | "broken";

async function polled(
  steps: (parts: {
    clock: ReturnType<typeof manualClock>;
    remotes: Map<RepositoryName, Remote>;
    log: string[];
  }) => Promise<void>,
): Promise<void> {
  const clock = manualClock();
  const remotes = new Map<RepositoryName, Remote>([[demo, "same"]]);
  const log: string[] = [];
  const poller = makePoller({
    repositories: async () => [...remotes.keys()],
    async hasChanged(name) {
      log.push(`ask ${name}`);
      if (remotes.get(name) === "away") throw new Error("away");
      return ["changed", "broken"].includes(remotes.get(name) ?? "");
    },
    async look(name, reason) {
      log.push(`look ${name} ${reason}`);
      // Fetched, and then not followed.
      const isBroken = remotes.get(name) === "broken";
      remotes.set(name, "same");
      if (isBroken) throw new Error("no database");
    },
    clock,
    intervalMs,
    log: silentLog,
    random: () => 0.5,
  });
  const stop = new AbortController();
  const running = poller.run(stop.signal);
  await steps({ clock, remotes, log });
  stop.abort(new Error("stopped"));
  await running;
}

test("a remote is asked each interval and looked at only when it changed", () =>
  polled(async ({ clock, remotes, log }) => {
    await clock.advance(intervalMs * 2);
    assert.deepEqual(log, ["ask demo", "ask demo"]);
    remotes.set(demo, "changed");
    await clock.advance(intervalMs);
    assert.deepEqual(log.slice(2), ["ask demo", "look demo poll"]);
    await clock.advance(intervalMs);
    assert.deepEqual(log.slice(4), ["ask demo"]);
  }));

test("a remote that is away is asked less and less, and at once as before when it is back", () =>
  polled(async ({ clock, remotes, log }) => {
    remotes.set(demo, "away");
    await clock.advance(intervalMs * 31);
    // At 1, then after 2, 4, 8, 16 intervals.
    assert.equal(log.length, 5);
    remotes.set(demo, "changed");
    await clock.advance(intervalMs * 16);
    assert.deepEqual(log.slice(5, 7), ["ask demo", "look demo poll"]);
    const before = log.length;
    await clock.advance(intervalMs * 2);
    assert.equal(log.length, before + 2);
  }));

test("a look that failed is made again, though the remote has no more news", () =>
  polled(async ({ clock, remotes, log }) => {
    remotes.set(demo, "broken");
    await clock.advance(intervalMs * 3);
    assert.deepEqual(log, ["ask demo", "look demo poll", "look demo poll"]);
    await clock.advance(intervalMs);
    assert.deepEqual(log.slice(3), ["ask demo"]);
  }));

test("one remote that is away holds no other up; what is connected later is polled, what is removed no more", () =>
  polled(async ({ clock, remotes, log }) => {
    remotes.set(demo, "away");
    await clock.advance(intervalMs);
    remotes.set(other, "changed");
    await clock.advance(intervalMs * 2);
    assert.ok(log.includes("look other poll"));
    remotes.delete(other);
    await clock.advance(intervalMs);
    const before = log.filter((line) => line.endsWith("other")).length;
    await clock.advance(intervalMs * 5);
    assert.equal(log.filter((line) => line.endsWith("other")).length, before);
  }));

test("the delay is the interval, doubled per failure up to 16 times, give or take a tenth", () => {
  const delays = [0, 1, 2, 3, 4, 5, 99].map((failures) => pollDelayMs({ intervalMs, failures, random: 0.5 }));
  assert.deepEqual(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
  assert.equal(pollDelayMs({ intervalMs, failures: 0, random: 0 }), 900);
  assert.equal(pollDelayMs({ intervalMs, failures: 0, random: 1 }), 1_100);
});
