import assert from "node:assert/strict";
import { test } from "node:test";
import { ComponentResource, rootStackResource, type ComponentResourceOptions, type Input } from "@pulumi/pulumi";
import { makeRecordingProvider } from "../../test/support/recording-provider.ts";
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
const namesOf = (resources: readonly ResourceState[]): readonly string[] =>
  resources.flatMap(({ urn, type }) => (type === "test:index:Thing" ? [urn.split("::").at(-1) ?? ""] : []));

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

test("a provider that previews says what will come out", async () => {
  const previews: boolean[] = [];
  const provider = makeRecordingProvider({
    previews: true,
    create: async ({ preview, inputs }) => {
      previews.push(preview);
      return { id: "x", outputs: { ...inputs, address: "known" } };
    },
  });
  using harness = makeTestEngine({ provider });
  const seen: string[] = [];
  await harness.engine.preview(shop, async () => {
    new Thing("a").address.apply((address) => seen.push(address));
  });
  assert.deepEqual(seen, ["known"]);
  assert.deepEqual(previews, [true]);
});

test("dependsOn orders creation, and deletion the other way round", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  await engine.up(shop, async () => {
    const a = new Thing("a", { waits: 20, deleteWaits: 5 });
    const b = new Thing("b", { waits: 5, deleteWaits: 20 }, { dependsOn: a });
    return { c: new Thing("c", {}, { dependsOn: [a, b] }).address };
  });
  assert.deepEqual(taken(), ["create a", "create b", "create c"]);
  await engine.up(shop, async () => ({}));
  assert.deepEqual(taken(), ["delete c", "delete b", "delete a"]);
});

class Pair extends ComponentResource {
  constructor(name: string, inputs: Inputs, options: ComponentResourceOptions = {}, type = "test:index:Pair") {
    super(type, name, {}, options);
    const left = new Thing(`${name}-left`, inputs, { parent: this });
    const right = new Thing(`${name}-right`, { of: left.address }, { parent: this });
    this.registerOutputs({ right: right.address });
  }
}

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

test("ignoreChanges keeps the old value, added, changed or removed", async () => {
  using harness = makeTestEngine();
  const { engine, taken, calls } = harness;
  const ignoreChanges = ["size", "labels.note", "list[0]", "extra"];
  await engine.up(shop, oneThing({ size: 1, labels: { note: "x", kept: "y" }, list: ["a", "b"] }, { ignoreChanges }));
  taken();
  await engine.up(shop, oneThing({ size: 2, labels: { kept: "y" }, list: ["z", "b"], extra: 1 }, { ignoreChanges }));
  assert.deepEqual(taken(), []);
  await engine.up(shop, oneThing({ size: 2, labels: { kept: "n" }, list: ["z", "c"] }, { ignoreChanges }));
  assert.deepEqual(calls[0]?.inputs, { size: 1, labels: { kept: "n", note: "x" }, list: ["a", "c"] });
});

test("replaceOnChanges turns an update into a replacement", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  const options = { replaceOnChanges: ["spec.image"] };
  await engine.up(shop, oneThing({ spec: { image: "1", note: "" } }, options));
  taken();
  await engine.up(shop, oneThing({ spec: { image: "1", note: "n" } }, options));
  assert.deepEqual(taken(), ["update a"]);
  await engine.up(shop, oneThing({ spec: { image: "2", note: "n" } }, options));
  assert.deepEqual(taken(), ["create a", "delete a"]);
  await engine.up(shop, oneThing({ spec: { image: "2", note: "n" }, size: 3 }, options));
  assert.deepEqual(taken(), ["update a"]);
  await engine.up(shop, oneThing({ spec: { image: "2", note: "n" }, size: 4 }, { replaceOnChanges: ["*"] }));
  assert.deepEqual(taken(), ["create a", "delete a"]);
});

test("a replacement is created first, then dependents follow, then the old one goes", async () => {
  using harness = makeTestEngine();
  const { engine, taken, things } = harness;
  const program = (fixed: number) => async () => {
    const a = new Thing("a", { fixed });
    return { b: new Thing("b", { of: a.address }).address };
  };
  await engine.up(shop, program(1));
  taken();
  const { steps, changes } = await engine.preview(shop, program(2));
  assert.deepEqual(
    steps.map(({ op, name }) => `${op} ${name}`),
    ["same shop-production--ranker", "replace a", "update b", "delete-replaced a"],
  );
  assert.equal(changes.replace, 1);
  assert.deepEqual(steps[1]?.detailedDiff, { fixed: "update-replace" });
  await engine.up(shop, program(2));
  assert.deepEqual(taken(), ["create a", "update b", "delete a"]);
  assert.deepEqual([...things.keys()], ["b-2", "a-3"]);
  assert.deepEqual(namesOf(await stateOf(engine)), ["a", "b"]);
});

test("deleteBeforeReplace takes along the dependents that would have to be replaced", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  const program = (fixed: number) => async () => {
    const a = new Thing("a", { fixed }, { deleteBeforeReplace: true });
    const b = new Thing("b", { fixedTo: a.address });
    const c = new Thing("c", { of: a.address });
    return { b: b.address, c: c.address };
  };
  await engine.up(shop, program(1));
  taken();
  const { steps } = await engine.preview(shop, program(2));
  assert.deepEqual(steps.map(({ op, name }) => `${op} ${name}`).sort(), [
    "replace a",
    "replace b",
    "same shop-production--ranker",
    "update c",
  ]);
  await engine.up(shop, program(2));
  const order = taken();
  assert.deepEqual(order.slice(0, 3), ["delete b", "delete a", "create a"]);
  assert.deepEqual(order.slice(3).toSorted(), ["create b", "update c"]);
  assert.deepEqual((await engine.up(shop, program(2))).changes.same, 4);
});

test("a provider may ask for deletion first, and the program has the last word", async () => {
  const provider = makeRecordingProvider({
    diff: async ({ oldInputs, newInputs }) => {
      const changes = oldInputs["size"] !== newInputs["size"];
      return { changes, replaces: changes ? ["size"] : [], deleteBeforeReplace: true };
    },
  });
  using harness = makeTestEngine({ provider });
  const { engine, taken } = harness;
  await engine.up(shop, oneThing({ size: 1 }));
  await engine.up(shop, oneThing({ size: 2 }));
  assert.deepEqual(taken(), ["create a", "delete a", "create a"]);
  await engine.up(shop, oneThing({ size: 3 }, { deleteBeforeReplace: false }));
  assert.deepEqual(taken(), ["create a", "delete a"]);
});

test("retainOnDelete forgets the resource and leaves it where it is", async () => {
  using harness = makeTestEngine();
  const { engine, taken, things } = harness;
  await engine.up(shop, oneThing({}, { retainOnDelete: true }));
  await engine.up(shop, async () => ({}));
  assert.deepEqual(taken(), ["create a"]);
  assert.equal(things.size, 1);
  assert.deepEqual(namesOf(await stateOf(engine)), []);
});

test("aliases find a resource under a former name, type, parent or URN", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  await engine.up(shop, oneThing({ size: 1 }));
  const id = (await stateOf(engine)).find(({ type }) => type === "test:index:Thing")?.id;
  const renamed = async () => {
    const b = new Thing("b", { size: 1 }, { aliases: [{ name: "a" }] });
    return { c: new Thing("c", { of: b.address }).address };
  };
  assert.equal((await engine.preview(shop, renamed)).changes.same, 2);
  await engine.up(shop, renamed);
  assert.deepEqual(taken(), ["create a", "create c"]);
  const moved = async () => {
    const group = new ComponentResource("test:index:Group", "g");
    const b = new Thing("b", { size: 1 }, { parent: group, aliases: [{ parent: rootStackResource }] });
    return { c: new Thing("c", { of: b.address }).address };
  };
  await engine.up(shop, moved);
  assert.deepEqual(taken(), []);
  const byUrn = async () => {
    const urn = "urn:pulumi:production--ranker::shop::test:index:Group$test:index:Thing::b";
    const b = new Thing("d", { size: 1 }, { aliases: [urn] });
    return { c: new Thing("c", { of: b.address }).address };
  };
  await engine.up(shop, byUrn);
  assert.deepEqual(taken(), []);
  const last = (await stateOf(engine)).find(({ urn }) => urn.endsWith("::d"));
  assert.equal(last?.id, id);
  const c = (await stateOf(engine)).find(({ urn }) => urn.endsWith("::c"));
  assert.deepEqual(c?.dependencies, [last?.urn]);
});

test("children follow a component that changed its name or its type", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  await engine.up(shop, async () => ({ urn: new Pair("p", {}).urn }));
  taken();
  await engine.up(shop, async () => ({ urn: new Pair("q", {}, { aliases: [{ name: "p" }] }).urn }));
  assert.deepEqual(taken(), []);
  const aliases = [{ type: "test:index:Pair" }];
  await engine.up(shop, async () => ({ urn: new Pair("q", {}, { aliases }, "test:index:Couple").urn }));
  assert.deepEqual(taken(), []);
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
