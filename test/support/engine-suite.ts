// What every engine does, whoever runs the program. The engine in this process and the one by the CLI pass all of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ComponentResource,
  log,
  ProviderResource,
  rootStackResource,
  secret,
  type ComponentResourceOptions,
  type Input,
} from "@pulumi/pulumi";
import type { Engine } from "../../src/engine/engine.ts";
import type { CallContext, Properties } from "../../src/engine/provider.ts";
import type { ResourceState } from "../../src/engine/state.ts";
import type { EngineEvent } from "../../src/engine/step.ts";
import { makeRecordingProvider } from "./recording-provider.ts";
import { shop, Thing } from "./stacks.ts";

type Recording = ReturnType<typeof makeRecordingProvider>;
export type Harness = Recording & Disposable & { readonly engine: Engine };
export interface EngineUnderTest {
  /** An engine of its own for each test, with this provider for the package `test`. */
  readonly makeHarness: (options?: { readonly provider?: Recording }) => Harness;
  /** Why not to run it here. */
  readonly skip: string | false;
}

type Behave = (title: string, run: (makeHarness: EngineUnderTest["makeHarness"]) => Promise<void>) => void;

/** Registers the behaviours as tests of the named engine. */
export function testEngine(name: string, { makeHarness, skip }: EngineUnderTest): void {
  const behaviour: Behave = (title, run) => void test(`${name}: ${title}`, { skip }, () => run(makeHarness));
  for (const register of [applying, failing, comparing, providing]) register(behaviour);
}

type Inputs = Record<string, Input<unknown>>;

/** A program of one thing, called `a`. */
const oneThing = (inputs: Inputs, options = {}) => {
  return async () => ({ address: new Thing("a", inputs, options).address });
};

async function stateOf(engine: Engine): Promise<readonly ResourceState[]> {
  return (await engine.export(shop))?.deployment.resources ?? [];
}
const namesOf = (resources: readonly ResourceState[]): readonly string[] =>
  resources.flatMap(({ urn, type }) => (type === "test:index:Thing" ? [urn.split("::").at(-1) ?? ""] : []));

/** A component of two things. */
export class Pair extends ComponentResource {
  constructor(name: string, inputs: Inputs, options: ComponentResourceOptions = {}, type = "test:index:Pair") {
    super(type, name, {}, options);
    const left = new Thing(`${name}-left`, inputs, { parent: this });
    const right = new Thing(`${name}-right`, { of: left.address }, { parent: this });
    this.registerOutputs({ right: right.address });
  }
}

class TestProvider extends ProviderResource {
  constructor(name: string, inputs: Inputs) {
    super("test", name, inputs);
  }
}

/** A provider that makes another one of itself for each configuration, and notes who did what. */
export function makeConfigurable() {
  const configurations: Properties[] = [];
  const recording = makeRecordingProvider({
    configure: async ({ inputs }) => {
      configurations.push(inputs);
      return recording.provider;
    },
  });
  return { ...recording, configurations };
}

const word = "correct horse battery";

function applying(behaviour: Behave): void {
  behaviour("a program's resources are created, left alone, updated and deleted", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken } = harness;
    const program = (size: number, hasB: boolean) => async () => {
      const a = new Thing("a", { size });
      const b = hasB ? new Thing("b", { of: a.address }) : undefined;
      return { address: a.address, b: b?.address };
    };
    const first = await engine.up(shop, program(1, true));
    assert.deepEqual(taken(), ["create a", "create b"]);
    assert.deepEqual(first.outputs, { address: "http://a-1", b: "http://b-2" });
    const again = await engine.up(shop, program(1, true));
    assert.deepEqual(taken(), []);
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
  behaviour("dependsOn orders creation, and deletion the other way round", async (makeHarness) => {
    using harness = makeHarness();
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
}

function failing(behaviour: Behave): void {
  behaviour("a failure deletes nothing", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken } = harness;
    await engine.up(shop, async () => ({ a: new Thing("a").address }));
    taken();
    await assert.rejects(engine.up(shop, async () => ({ b: new Thing("b", { fails: "no" }).address })));
    assert.deepEqual(taken(), ["create b"]);
    const { outputs } = await engine.up(shop, async () => ({ a: new Thing("a").address }));
    assert.deepEqual(outputs, { a: "http://a-1" });
  });
  behaviour("the old one survives a replacement that cannot be created", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken, things } = harness;
    const program = (fixed: number, more: Record<string, unknown> = {}) => {
      return async () => ({ a: new Thing("a", { fixed, ...more }).address });
    };
    await engine.up(shop, program(1));
    await assert.rejects(engine.up(shop, program(2, { fails: "crashed" })));
    assert.deepEqual([...things.keys()], ["a-1"]);
    const { changes } = await engine.up(shop, program(1));
    assert.equal(changes.same, 2, "it is still what the state says");
    taken();
    await assert.rejects(engine.up(shop, program(3, { partial: true })), { message: /not ready yet/ });
    assert.deepEqual([...things.keys()], ["a-1", "a-2"], "half a replacement is no reason to delete the old one");
    await engine.up(shop, program(3, { partial: false }));
    assert.deepEqual(taken(), ["create a", "update a", "delete a"]);
    assert.deepEqual([...things.keys()], ["a-2"]);
  });
  behaviour("a resource that came up half keeps its id, and the retry is an update", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken } = harness;
    const program = async () => ({ a: new Thing("a", { partial: true }).address });
    await assert.rejects(engine.up(shop, program), { message: "test:index:Thing a: not ready yet" });
    const { changes } = await engine.up(shop, program);
    assert.equal(changes.update, 1);
    assert.deepEqual(taken(), ["create a", "update a"]);
    assert.equal((await engine.up(shop, program)).changes.same, 2);
  });
  behaviour("after a failed update the next apply updates again, whatever the inputs", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken } = harness;
    const program = (more: Record<string, unknown>) => async () => ({ a: new Thing("a", more).address });
    await engine.up(shop, program({ size: 1 }));
    await assert.rejects(engine.up(shop, program({ size: 2, fails: "half way" })));
    await engine.up(shop, program({ size: 1 }));
    assert.deepEqual(taken(), ["create a", "update a", "update a"]);
  });
  behaviour("check names every input that is wrong", async (makeHarness) => {
    const failures = [
      { property: "size", reason: "must be at least 1" },
      { property: "image", reason: "is missing" },
    ];
    const provider = makeRecordingProvider({ check: async ({ newInputs }) => ({ inputs: newInputs, failures }) });
    using harness = makeHarness({ provider });
    await assert.rejects(
      harness.engine.up(shop, async () => ({ a: new Thing("a").address })),
      {
        code: "RESOURCE_INVALID",
        message: "test:index:Thing a: size: must be at least 1; image: is missing",
      },
    );
  });
  behaviour("a second operation on a stack is refused while one is under way", async (makeHarness) => {
    using harness = makeHarness();
    const first = harness.engine.up(shop, async () => ({ a: new Thing("a", { waits: 20 }).address }));
    await assert.rejects(harness.engine.destroy(shop), { code: "STACK_BUSY" });
    await first;
  });
  behaviour("nothing that people read shows a secret", async (makeHarness) => {
    using harness = makeHarness();
    const { engine } = harness;
    const told: EngineEvent[] = [];
    const failing = engine.up(
      shop,
      async () => {
        await log.info(`password is ${word}`);
        const a = new Thing("a", { password: secret(word), fails: `cannot log in with ${word}` });
        return { a: a.address };
      },
      { onEvent: (event) => told.push(event) },
    );
    await assert.rejects(failing, (error: Error) => {
      assert.equal(error.message, "test:index:Thing a: cannot log in with [redacted]");
      assert.doesNotMatch(JSON.stringify([error.stack, String(error.cause)]), /correct horse/);
      return true;
    });
    assert.deepEqual(
      told.map(({ type }) => type),
      ["log", "step-started", "step-progress", "step-failed"],
    );
    assert.doesNotMatch(JSON.stringify(told.slice(1)), /correct horse/);
  });
}

function comparing(behaviour: Behave): void {
  behaviour("ignoreChanges keeps the old value, added, changed or removed", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken, calls } = harness;
    const ignoreChanges = ["size", "labels.note", "list[0]", "extra"];
    await engine.up(shop, oneThing({ size: 1, labels: { note: "x", kept: "y" }, list: ["a", "b"] }, { ignoreChanges }));
    taken();
    await engine.up(shop, oneThing({ size: 2, labels: { kept: "y" }, list: ["z", "b"], extra: 1 }, { ignoreChanges }));
    assert.deepEqual(taken(), []);
    await engine.up(shop, oneThing({ size: 2, labels: { kept: "n" }, list: ["z", "c"] }, { ignoreChanges }));
    assert.deepEqual(calls[0]?.inputs, { size: 1, labels: { kept: "n", note: "x" }, list: ["a", "c"] });
  });
  behaviour("replaceOnChanges turns an update into a replacement", async (makeHarness) => {
    using harness = makeHarness();
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
  behaviour("a replacement is created first, then dependents follow, then the old one goes", async (makeHarness) => {
    using harness = makeHarness();
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
  behaviour("deleteBeforeReplace takes along the dependents that would have to be replaced", async (makeHarness) => {
    using harness = makeHarness();
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
  behaviour("a provider may ask for deletion first, and the program has the last word", async (makeHarness) => {
    const provider = makeRecordingProvider({
      diff: async ({ oldInputs, newInputs }) => {
        const changes = oldInputs["size"] !== newInputs["size"];
        return { changes, replaces: changes ? ["size"] : [], deleteBeforeReplace: true };
      },
    });
    using harness = makeHarness({ provider });
    const { engine, taken } = harness;
    await engine.up(shop, oneThing({ size: 1 }));
    await engine.up(shop, oneThing({ size: 2 }));
    assert.deepEqual(taken(), ["create a", "delete a", "create a"]);
    await engine.up(shop, oneThing({ size: 3 }, { deleteBeforeReplace: false }));
    assert.deepEqual(taken(), ["create a", "delete a"]);
  });
  behaviour("retainOnDelete forgets the resource and leaves it where it is", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken, things } = harness;
    await engine.up(shop, oneThing({}, { retainOnDelete: true }));
    await engine.up(shop, async () => ({}));
    assert.deepEqual(taken(), ["create a"]);
    assert.equal(things.size, 1);
    assert.deepEqual(namesOf(await stateOf(engine)), []);
  });
  behaviour("aliases find a resource under a former name, type, parent or URN", async (makeHarness) => {
    using harness = makeHarness();
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
  behaviour("children follow a component that changed its name or its type", async (makeHarness) => {
    using harness = makeHarness();
    const { engine, taken } = harness;
    await engine.up(shop, async () => ({ urn: new Pair("p", {}).urn }));
    taken();
    await engine.up(shop, async () => ({ urn: new Pair("q", {}, { aliases: [{ name: "p" }] }).urn }));
    assert.deepEqual(taken(), []);
    const aliases = [{ type: "test:index:Pair" }];
    await engine.up(shop, async () => ({ urn: new Pair("q", {}, { aliases }, "test:index:Couple").urn }));
    assert.deepEqual(taken(), []);
  });
  behaviour(
    "a resource that moves to another provider is replaced, the old one deleted by the old provider",
    async (makeHarness) => {
      const provider = makeConfigurable();
      using harness = makeHarness({ provider });
      const { engine, taken } = harness;
      const program = (name: string) => async () => {
        return { a: new Thing("a", {}, { provider: new TestProvider(name, { region: name }) }).address };
      };
      await engine.up(shop, program("north"));
      const { steps } = await engine.up(shop, program("south"));
      assert.deepEqual(taken(), ["create a", "create a", "delete a"]);
      assert.deepEqual(
        steps.map(({ op, name }) => `${op} ${name}`),
        ["same shop-production--ranker", "create south", "replace a", "delete-replaced a", "delete north"],
      );
      assert.deepEqual(provider.configurations, [{ region: "north" }, { region: "south" }, { region: "north" }]);
    },
  );
}

function providing(behaviour: Behave): void {
  behaviour("a provider that previews says what will come out", async (makeHarness) => {
    const previews: boolean[] = [];
    const provider = makeRecordingProvider({
      previews: true,
      create: async ({ preview, inputs }) => {
        previews.push(preview);
        return { id: "x", outputs: { ...inputs, address: "known" } };
      },
    });
    using harness = makeHarness({ provider });
    const seen: string[] = [];
    await harness.engine.preview(shop, async () => {
      new Thing("a").address.apply((address) => seen.push(address));
    });
    assert.deepEqual(seen, ["known"]);
    assert.deepEqual(previews, [true]);
  });
  behaviour("an explicit provider may change; what was made through it stays", async (makeHarness) => {
    const provider = makeConfigurable();
    using harness = makeHarness({ provider });
    const { engine, taken } = harness;
    const program = (region: string) => async () => {
      const north = new TestProvider("north", { region });
      return { a: new Thing("a", {}, { provider: north }).address };
    };
    await engine.up(shop, program("north"));
    const { changes } = await engine.up(shop, program("far-north"));
    assert.equal(changes.update, 1);
    assert.deepEqual(taken(), ["create a"]);
    assert.deepEqual(provider.configurations, [{ region: "north" }, { region: "far-north" }]);
  });
  behaviour("every call says what it is about, and which of its values are secret", async (makeHarness) => {
    const contexts: CallContext[] = [];
    const provider = makeRecordingProvider({
      check: async (request) => {
        contexts.push(request);
        return { inputs: { ...request.newInputs, port: 8000 } };
      },
    });
    using harness = makeHarness({ provider });
    const { engine, calls } = harness;
    const program = async () => ({ a: new Thing("a", { env: { KEY: secret("hidden word") } }).address });
    await engine.up(shop, program);
    assert.equal(contexts[0]?.type, "test:index:Thing");
    assert.equal(contexts[0]?.name, "a");
    assert.deepEqual(contexts[0]?.secretPaths, ["env.KEY"]);
    assert.deepEqual(calls[0]?.inputs, { env: { KEY: "hidden word" }, port: 8000 });
    assert.equal((await engine.up(shop, program)).changes.same, 2);
  });
}
