import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";

test("a program's resources are created, left alone, updated and deleted", async () => {
  using harness = makeTestEngine();
  const { engine, taken, counts } = harness;
  const program = (size: number, hasB: boolean) => async () => {
    const a = new Thing("a", { size });
    const b = hasB ? new Thing("b", { of: a.address }) : undefined;
    return { address: a.address, b: b?.address };
  };
  const first = await engine.up(shop, program(1, true));
  assert.deepEqual(taken(), ["create a", "create b"]);
  assert.deepEqual(first.outputs, { address: "http://a-1", b: "http://b-2" });
  counts.saves = 0;
  const again = await engine.up(shop, program(1, true));
  assert.deepEqual(taken(), []);
  assert.equal(counts.saves, 0);
  assert.deepEqual(again.outputs, first.outputs);
  assert.equal(again.changes.same, 3);
  const preview = await engine.preview(shop, program(2, false));
  assert.deepEqual(
    preview.steps.map(({ op, name, diffs }) => `${op} ${name} ${diffs.join()}`),
    ["same shop-production--ranker ", "update a size", "delete b "],
  );
  assert.deepEqual(taken(), []);
  await engine.up(shop, program(2, false));
  assert.deepEqual(taken(), ["update a", "delete b"]);
  await engine.destroy(shop);
  assert.deepEqual(taken(), ["delete a"]);
  assert.equal(await engine.export(shop), null);
});
