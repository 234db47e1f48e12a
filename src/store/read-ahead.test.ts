import assert from "node:assert/strict";
import { test } from "node:test";
import { makeMemoryStore, shop } from "../../test/support/stacks.ts";
import type { StackState } from "../engine/state.ts";
import { makeReadAhead } from "./read-ahead.ts";

const stateOf = (serial: number): StackState => ({
  serial,
  state: { version: 3, deployment: { manifest: { time: "", magic: "", version: "" }, resources: [] } },
});

/** A store that counts what is loaded from it. */
function makeWorld() {
  const { store } = makeMemoryStore();
  let loads = 0;
  const counting = {
    ...store,
    load: (stack: typeof shop) => {
      loads += 1;
      return store.load(stack);
    },
  };
  return { states: makeReadAhead(counting), loads: () => loads };
}

test("a state that was asked for ahead is loaded once, and answered once", async () => {
  const { states, loads } = makeWorld();
  await states.save(shop, stateOf(1));
  states.expect(shop);
  assert.equal((await states.load(shop))?.serial, 1);
  assert.equal(loads(), 1);
  await states.load(shop);
  assert.equal(loads(), 2);
});

test("what was asked for ahead of a change is not answered after it", async () => {
  const { states } = makeWorld();
  await states.save(shop, stateOf(1));
  states.expect(shop);
  await states.save(shop, stateOf(2));
  assert.equal((await states.load(shop))?.serial, 2);
  states.expect(shop);
  await states.remove(shop);
  assert.equal(await states.load(shop), null);
});
