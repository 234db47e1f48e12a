import assert from "node:assert/strict";
import { test } from "node:test";
import { testEngine } from "../../test/support/engine-suite.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";

testEngine("in process", { makeHarness: makeTestEngine, skip: false });

test("nothing is saved when nothing changed", async () => {
  using harness = makeTestEngine();
  const { engine, counts } = harness;
  const program = async () => {
    const a = new Thing("a", { size: 1 });
    return { b: new Thing("b", { of: a.address }).address };
  };
  await engine.up(shop, program);
  counts.saves = 0;
  await engine.up(shop, program);
  assert.equal(counts.saves, 0);
});
