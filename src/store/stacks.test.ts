import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { shop, stackOf } from "../../test/support/stacks.ts";
import type { StackState } from "../engine/state.ts";
import { makeStackStore } from "./stacks.ts";

const stateAt = (serial: number): StackState => ({
  serial,
  state: {
    version: 3,
    deployment: { manifest: { time: "2026-01-01T00:00:00Z", magic: "", version: "" }, resources: [] },
  },
});

test("a stack's state is kept per repository, environment and deployment", async () => {
  const database = await testDatabase();
  try {
    const store = makeStackStore(database.db);
    assert.equal(await store.load(shop), null);
    await store.save(shop, stateAt(1));
    await store.save(stackOf("web"), stateAt(1));
    await store.save(shop, stateAt(2));
    assert.deepEqual(await store.load(shop), stateAt(2));
    assert.deepEqual(await store.list(), [shop, stackOf("web")]);
    await store.remove(shop);
    assert.equal(await store.load(shop), null);
    assert.deepEqual(await store.load(stackOf("web")), stateAt(1));
  } finally {
    await database.close();
  }
});

test("a save that does not follow the stored one is refused", async () => {
  const database = await testDatabase();
  try {
    const store = makeStackStore(database.db);
    await store.save(shop, stateAt(1));
    await assert.rejects(store.save(shop, stateAt(1)), {
      code: "STATE_CONFLICT",
      message:
        "the state of shop/production--ranker was saved by another process: save 1 does not follow what is stored",
    });
    await assert.rejects(store.save(shop, stateAt(3)), { code: "STATE_CONFLICT" });
    assert.deepEqual(await store.load(shop), stateAt(1));
  } finally {
    await database.close();
  }
});
