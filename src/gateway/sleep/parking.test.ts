import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../core/log.ts";
import type { KnownRoute, Sleep } from "../../targets/route.ts";
import { makeParking } from "./parking.ts";

const stack = { repository: "shop", environment: "production", deployment: "ranker" };
const asleep: Sleep = { stage: "asleep", since: "2026-01-01T00:00:00.000Z" };
const routeWith = (state: Sleep | null): KnownRoute => ({
  host: "ranker",
  stack,
  access: { visibility: "public", viewers: [], public: [] },
  upstream: { kind: "http", hostname: "127.0.0.1", port: 1, protocol: "http" },
  idle: { afterSeconds: 60, startTimeoutSeconds: 30 },
  ...(state && { sleep: state }),
});

/** A route that a test writes, a clock that it moves, and a count of who was asked to wake. */
function makeWorld(first: KnownRoute = routeWith(asleep)) {
  let route = first;
  let arePodsThere = false;
  let nowMs = Date.parse("2026-01-01T12:00:00.000Z");
  let asked = 0;
  const watchers = new Set<() => void>();
  const parking = makeParking({
    mirror: {
      route: () => route,
      onChange(callback) {
        watchers.add(callback);
        return () => void watchers.delete(callback);
      },
    },
    pods: { isThere: () => arePodsThere, onChange: () => () => undefined },
    source: () => ({
      askWake: () => {
        asked += 1;
        return Promise.resolve();
      },
    }),
    clock: { now: () => new Date(nowMs), sleep: (delayMs) => sleep(delayMs) },
    log: silentLog,
  });
  return {
    parking,
    asked: () => asked,
    wait: (signal = new AbortController().signal) => parking.wait(route, signal),
    become(state: Sleep | null) {
      route = routeWith(state);
      for (const watcher of watchers) watcher();
    },
    appear() {
      arePodsThere = true;
      for (const watcher of watchers) watcher();
    },
    later(seconds: number) {
      nowMs += seconds * 1_000;
      for (const watcher of watchers) watcher();
    },
    [Symbol.dispose]: () => parking.close(),
  };
}

test("all who wait ask once, and go on in the order in which they came", async () => {
  using world = makeWorld();
  const order: number[] = [];
  const waits = Array.from({ length: 200 }, async (_, index) => {
    assert.equal(await world.wait(), null);
    order.push(index);
  });
  assert.equal(world.parking.count(), 200);
  assert.equal(world.asked(), 1);
  world.become({ ...asleep, stage: "waking" });
  world.become(null);
  await Promise.all(waits);
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.equal(world.parking.count(), 0);
});

test("nobody there to wake it: asked again, and after a bounded time the client is told when to return", async () => {
  using world = makeWorld();
  const waiting = world.wait();
  world.later(3);
  assert.equal(world.asked(), 2);
  world.later(18);
  const notice = await waiting;
  assert.deepEqual([notice?.status, notice?.headers?.["Retry-After"]], [503, "5"]);
});

test("a start that was begun may take its time", async () => {
  using world = makeWorld();
  const waiting = world.wait();
  world.become({ ...asleep, stage: "waking" });
  world.later(44);
  assert.deepEqual([world.parking.count(), world.asked()], [1, 1]);
  world.later(2);
  assert.equal((await waiting)?.status, 503);
});

test("a start that failed is told to whoever waited for it, and to whoever comes too soon", async () => {
  using world = makeWorld();
  const waiting = world.wait();
  const failure = { reason: "crashed at once\nlast lines: secret", count: 1, retryAt: "2026-01-01T12:00:05.000Z" };
  world.become({ ...asleep, failure });
  const notice = await waiting;
  assert.equal(notice?.headers?.["Retry-After"], "5");
  assert.match(notice.detail, /crashed at once\. Its logs say more/);
  assert.doesNotMatch(notice.detail, /secret/);
  assert.equal((await world.wait())?.code, "NOT_SERVING");
  assert.equal(world.asked(), 1);
  world.later(6);
  const next = world.wait();
  assert.equal(world.asked(), 2);
  world.become(null);
  assert.equal(await next, null);
});

test("a client that leaves leaves nothing, and more than are held are turned away", async () => {
  using world = makeWorld();
  const gone = new AbortController();
  const left = world.wait(gone.signal);
  gone.abort();
  assert.equal(await left, null);
  assert.equal(world.parking.count(), 0);
  const waits = Array.from({ length: 2_000 }, () => world.wait());
  assert.equal((await world.wait())?.code, "BUSY");
  world.parking.close();
  assert.ok((await Promise.all(waits)).every((notice) => notice?.code === "SERVER_AWAY"));
});

const handedOver: KnownRoute = {
  ...routeWith(null),
  upstream: {
    kind: "pods",
    target: "cluster",
    namespace: "shop--production",
    service: "ranker",
    port: 8000,
    protocol: "http",
    revision: "11111111",
  },
  parked: { since: "2026-01-01T12:00:00.000Z", forSeconds: 30 },
};

test("while one revision stops for another, requests wait for either; nobody is asked to wake", async () => {
  using world = makeWorld(handedOver);
  assert.ok(world.parking.holds(handedOver));
  const waits = [world.wait(), world.wait()];
  world.later(10);
  assert.equal(world.parking.count(), 2);
  world.appear();
  assert.deepEqual(await Promise.all(waits), [null, null]);
  assert.equal(world.asked(), 0);
  assert.ok(!world.parking.holds(handedOver));
});

test("where neither comes in time, requests are judged like any other", async () => {
  using world = makeWorld(handedOver);
  const waits = world.wait();
  world.later(40);
  assert.equal(world.parking.count(), 1);
  world.later(6);
  assert.equal(await waits, null);
  assert.ok(!world.parking.holds(handedOver));
});
