import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../core/log.ts";
import { systemClock } from "../../core/clock.ts";
import { makeSleepKeeper, type SleepBook, type Sleeper, type Sleepy } from "./keeper.ts";

const asked: Sleepy = {
  stack: { repository: "shop", environment: "production", deployment: "web" },
  upstreams: [],
  startTimeoutSeconds: 120,
  stage: "asleep",
  isAsked: true,
  isBarred: false,
  failure: null,
};

test("waking ends when the routes lead elsewhere, and what they lead to is tended again", async () => {
  let due: readonly Sleepy[] = [asked];
  const said: string[] = [];
  const book: SleepBook = {
    due: () => Promise.resolve(due),
    fall: () => Promise.resolve(true),
    isAsked: () => Promise.resolve(false),
    settle: () => {
      due = [];
      return Promise.resolve(true);
    },
    rouse: () => Promise.resolve(),
    awake: () => Promise.resolve(void said.push("awake")),
    fail: () => Promise.resolve(void said.push("failed")),
  };
  const sleeper: Sleeper = {
    sleep: () => Promise.resolve(void said.push("sleeps")).then(() => true),
    wake: (_place, signal) =>
      new Promise((_resolve, reject) => {
        said.push("wakes");
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
  };
  const stopping = new AbortController();
  const keeper = makeSleepKeeper({
    book,
    quiet: { quiet: () => Promise.resolve(0) },
    sleeperOf: () => sleeper,
    isBusy: () => false,
    clock: systemClock,
    log: silentLog,
    signal: stopping.signal,
  });
  const ended = keeper.run();
  const until = async (wanted: readonly string[]): Promise<void> => {
    while (said.length < wanted.length) await sleep(5);
    assert.deepEqual(said, wanted);
  };
  await until(["wakes"]);
  due = [];
  keeper.look();
  await sleep(20);
  due = [{ ...asked, stage: "idle", isAsked: false }];
  keeper.look();
  await until(["wakes", "sleeps"]);
  stopping.abort();
  await ended;
});
