import assert from "node:assert/strict";
import { test } from "node:test";
import type { Input } from "@pulumi/pulumi";
import { Pair } from "../../test/support/engine-suite.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";
import type { ResourceState } from "./state.ts";

type Inputs = Record<string, Input<unknown>>;

/** A program of one thing, called `a`. */
const oneThing = (inputs: Inputs, options = {}) => {
  return async () => ({ address: new Thing("a", inputs, options).address });
};

async function stateOf(engine: ReturnType<typeof makeTestEngine>["engine"]): Promise<readonly ResourceState[]> {
  return (await engine.export(shop))?.deployment.resources ?? [];
}
test("what is not known yet at preview stays unknown, and its dependents are planned all the same", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  const applied: unknown[] = [];
  const program = async () => {
    const a = new Thing("a", { size: 1 });
    a.address.apply((address) => applied.push(address));
    a.size.apply((size) => applied.push(size));
    const b = new Thing("b", { of: a.address });
    return { b: b.address };
  };
  const { steps } = await engine.preview(shop, program);
  assert.deepEqual(
    steps.map(({ op, name }) => `${op} ${name}`),
    ["create shop-production--ranker", "create a", "create b"],
  );
  assert.deepEqual(applied, [1], "an input is known, an output is not");
  assert.deepEqual(taken(), []);
  assert.equal(await engine.export(shop), null);
});

test("a component holds its children and its outputs", async () => {
  using harness = makeTestEngine();
  const { engine, taken, counts } = harness;
  const program = async () => ({ urn: new Pair("p", {}).urn });
  await engine.up(shop, program);
  assert.deepEqual(taken(), ["create p-left", "create p-right"]);
  const pair = (await stateOf(engine)).find(({ type }) => type === "test:index:Pair");
  assert.deepEqual(pair?.outputs, { right: "http://p-right-2" });
  const left = (await stateOf(engine)).find(({ urn }) => urn.endsWith("p-left"));
  assert.equal(left?.urn, "urn:pulumi:production--ranker::shop::test:index:Pair$test:index:Thing::p-left");
  assert.equal(left?.parent, pair?.urn);
  counts.saves = 0;
  await engine.up(shop, program);
  assert.equal(counts.saves, 0);
});

test("a protected resource is neither deleted nor replaced", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  await engine.up(shop, oneThing({ fixed: 1 }, { protect: true }));
  taken();
  await assert.rejects(engine.up(shop, oneThing({ fixed: 2 }, { protect: true })), {
    code: "RESOURCE_PROTECTED",
    message: /::a is protected and would be replaced \(fixed\)/,
  });
  await assert.rejects(
    engine.up(shop, async () => ({})),
    { code: "RESOURCE_PROTECTED", message: /::a is protected and would be deleted/ },
  );
  await assert.rejects(engine.destroy(shop), { code: "RESOURCE_PROTECTED" });
  assert.deepEqual(taken(), []);
  await engine.up(shop, oneThing({ fixed: 1 }));
  await engine.destroy(shop);
  assert.deepEqual(taken(), ["delete a"]);
});

test("custom timeouts end a call that takes too long", async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  await assert.rejects(engine.up(shop, oneThing({ waits: 5000 }, { customTimeouts: { create: "30ms" } })), {
    code: "STEP_FAILED",
    message: /test:index:Thing a: .*timeout/,
  });
  await assert.rejects(engine.up(shop, oneThing({}, { customTimeouts: { update: "soon" } })), {
    code: "PROGRAM_FAILED",
    message: /customTimeouts.update is "soon"; wanted is a duration like "30s" or "1h30m"/,
  });
});
