import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import { silentLog } from "../../core/log.ts";
import type { Endpoints, PodService } from "./endpoints.ts";
import { makeLateEndpoints } from "./late-endpoints.ts";

const service: PodService = { target: "cluster", namespace: "shop--production", service: "web" };

/** Endpoints that say nothing until a test has them learn something. */
function makeSilent() {
  let addresses: readonly string[] | null = null;
  let tell = (): void => undefined;
  const followed: number[] = [];
  let isClosed = false;
  const endpoints: Endpoints = {
    ready: () => addresses,
    revision: () => null,
    follow: (services) => void followed.push(services.length),
    onChange(callback) {
      tell = callback;
      return () => undefined;
    },
    close: () => {
      isClosed = true;
      return Promise.resolve();
    },
  };
  return {
    endpoints,
    followed,
    isClosed: () => isClosed,
    learn(next: readonly string[]) {
      addresses = next;
      tell();
    },
  };
}

test("nothing is opened before a route leads into a cluster; reached anew, what was known holds until more is known", async () => {
  const made = [makeSilent(), makeSilent()];
  let opened = 0;
  const late = makeLateEndpoints({
    open: () => Promise.resolve(made[opened++]?.endpoints ?? assert.fail("opened too often")),
    log: silentLog,
  });
  let changes = 0;
  late.onChange(() => (changes += 1));
  late.follow([]);
  late.reopen();
  await soon();
  assert.equal(opened, 0);
  late.follow([service]);
  late.follow([service, service]);
  await soon();
  assert.deepEqual([opened, made[0]?.followed], [1, [2]]);
  assert.equal(late.ready(service), null);
  made[0]?.learn(["10.0.0.1"]);
  assert.deepEqual([late.ready(service), changes], [["10.0.0.1"], 1]);
  late.reopen();
  await soon();
  assert.deepEqual([opened, late.ready(service), made[0]?.isClosed()], [2, ["10.0.0.1"], false]);
  made[1]?.learn(["10.0.0.2"]);
  assert.deepEqual([late.ready(service), made[0]?.isClosed()], [["10.0.0.2"], true]);
  await late.close();
  assert.equal(made[1]?.isClosed(), true);
});
