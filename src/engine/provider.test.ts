import assert from "node:assert/strict";
import { test } from "node:test";
import { ProviderResource, runtime, secret, type Input } from "@pulumi/pulumi";
import { makeRecordingProvider } from "../../test/support/recording-provider.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";
import type { CallContext, Properties } from "./provider.ts";

class TestProvider extends ProviderResource {
  constructor(name: string, inputs: Record<string, Input<unknown>>) {
    super("test", name, inputs);
  }
}

/** A provider that makes another one of itself for each configuration, and notes who did what. */
function makeConfigurable() {
  const configurations: Properties[] = [];
  const recording = makeRecordingProvider({
    configure: async ({ inputs }) => {
      configurations.push(inputs);
      return recording.provider;
    },
  });
  return { ...recording, configurations };
}

test("a default provider is configured once, from the stack's settings of its package", async () => {
  const provider = makeConfigurable();
  using harness = makeTestEngine({ provider });
  const program = async () => ({ a: new Thing("a").address, b: new Thing("b").address });
  const config = { "test:region": "north", "test:key": "hidden word", "other:region": "south" };
  await harness.engine.up(shop, program, { config, secretConfig: ["test:key"] });
  assert.deepEqual(provider.configurations, [{ region: "north", key: "hidden word" }]);
  assert.doesNotMatch([...harness.texts.values()].join(), /hidden word/);
});

test("an explicit provider may change; what was made through it stays", async () => {
  const provider = makeConfigurable();
  using harness = makeTestEngine({ provider });
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

test("a resource that moves to another provider is replaced, the old one deleted by the old provider", async () => {
  const provider = makeConfigurable();
  using harness = makeTestEngine({ provider });
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
});

test("functions are called on the provider that serves them", async () => {
  const provider = makeRecordingProvider({
    invoke: async ({ token, args }) =>
      args["name"] === "?"
        ? { result: {}, failures: [{ property: "name", reason: "is not one" }] }
        : { result: { token, echo: args["password"] ?? null } },
  });
  using harness = makeTestEngine({ provider });
  const { engine } = harness;
  const { outputs } = await engine.up(shop, async () => {
    const args = { password: secret("hidden word") };
    return { answer: runtime.invokeOutput<Record<string, string>>("test:index:getThing", args) };
  });
  assert.match(String(outputs["answer"]), /redacted/);
  const failing = engine.up(shop, () => runtime.invoke("test:index:getThing", { name: "?" }));
  await assert.rejects(failing, { code: "PROGRAM_FAILED", message: /is not one \(name\)/ });
});

test("every call says what it is about, and which of its values are secret", async () => {
  const contexts: CallContext[] = [];
  const provider = makeRecordingProvider({
    check: async (request) => {
      contexts.push(request);
      return { inputs: { ...request.newInputs, port: 8000 } };
    },
  });
  using harness = makeTestEngine({ provider });
  const { engine, calls } = harness;
  const program = async () => ({ a: new Thing("a", { env: { KEY: secret("hidden word") } }).address });
  await engine.up(shop, program);
  assert.equal(contexts[0]?.type, "test:index:Thing");
  assert.equal(contexts[0]?.name, "a");
  assert.deepEqual(contexts[0]?.secretPaths, ["env.KEY"]);
  assert.deepEqual(calls[0]?.inputs, { env: { KEY: "hidden word" }, port: 8000 });
  assert.equal((await engine.up(shop, program)).changes.same, 2);
});
