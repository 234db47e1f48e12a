import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import type { KubeObject } from "../cluster/object.ts";
import type { SharedInformers } from "../cluster/shared-informers.ts";
import { awaitReady, type Awaiting } from "./await-ready.ts";
import { failed, ready, waiting, type Rule } from "./rule.ts";

const service = (resourceVersion: string, app: string, uid = "u-1"): KubeObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "shop", uid, resourceVersion },
  spec: { selector: { app } },
});

/** Holds one object, told to change by the test. */
function makeInformers(first: KubeObject | undefined) {
  let held = first;
  const listeners = new Set<() => void>();
  const informers: SharedInformers = {
    follow(_, onChange) {
      listeners.add(onChange);
      return {
        ready: Promise.resolve(),
        all: () => (held ? [held] : []),
        get: () => held,
        trouble: () => null,
        release: () => void listeners.delete(onChange),
      };
    },
    close: async () => undefined,
  };
  return {
    informers,
    listeners,
    change(next: KubeObject | undefined): void {
      held = next;
      for (const listener of listeners) listener();
    },
  };
}

const bySelector: Rule = {
  judge: ({ object }) => {
    const { selector } = object["spec"] as { readonly selector: { readonly app: string } };
    if (selector.app === "broken") return failed("it is broken");
    return selector.app === "new" ? ready : waiting(`its app is ${selector.app}`);
  },
};

function start(world: ReturnType<typeof makeInformers>, options: Partial<Awaiting> = {}) {
  const said: string[] = [];
  const awaiting: Awaiting = {
    object: service("9", "new"),
    rule: bySelector,
    signal: new AbortController().signal,
    timeoutMs: 60_000,
    onProgress: (message) => said.push(message),
    ...options,
  };
  return { said, outcome: awaitReady({ informers: world.informers, clock: systemClock }, awaiting) };
}

test("an object as it was before is not taken for what was applied", async () => {
  const world = makeInformers(service("8", "new"));
  const { said, outcome } = start(world);
  await new Promise(setImmediate);
  assert.deepEqual(said, ["waiting: it is not seen in the cluster"]);
  world.change(service("10", "new"));
  const { state, object } = await outcome;
  assert.equal(state, "ready");
  assert.equal(object.metadata.resourceVersion, "10");
  assert.equal(world.listeners.size, 0);
});

test("it fails when it cannot get ready, and when it is taken away", async () => {
  const world = makeInformers(service("9", "old"));
  const { said, outcome } = start(world);
  await new Promise(setImmediate);
  assert.deepEqual(said, ["waiting: its app is old"]);
  world.change(service("10", "broken"));
  assert.deepEqual((await outcome).reasons, ["it is broken"]);
  const other = makeInformers(service("9", "old"));
  const gone = start(other);
  await new Promise(setImmediate);
  other.change(undefined);
  assert.deepEqual((await gone.outcome).reasons, ["it was deleted or replaced by someone else meanwhile"]);
});

test("it ends with the last reason when the time is up, or whoever waits has left", async () => {
  const late = await start(makeInformers(service("9", "old")), { timeoutMs: 1 }).outcome;
  assert.deepEqual([late.state, late.reasons], ["timeout", ["its app is old"]]);
  const leaving = new AbortController();
  const left = start(makeInformers(service("9", "old")), { signal: leaving.signal });
  await new Promise(setImmediate);
  leaving.abort();
  assert.equal((await left.outcome).state, "cancelled");
});
