import assert from "node:assert/strict";
import { test } from "node:test";
import { runtime, secret } from "@pulumi/pulumi";
import { makeRecordingProvider } from "../../test/support/recording-provider.ts";
import { makeConfigurable } from "../../test/support/engine-suite.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";

test("a default provider is configured once, from the stack's settings of its package", async () => {
  const provider = makeConfigurable();
  using harness = makeTestEngine({ provider });
  const program = async () => ({ a: new Thing("a").address, b: new Thing("b").address });
  const config = { "test:region": "north", "test:key": "hidden word", "other:region": "south" };
  await harness.engine.up(shop, program, { config, secretConfig: ["test:key"] });
  assert.deepEqual(provider.configurations, [{ region: "north", key: "hidden word" }]);
  assert.doesNotMatch([...harness.texts.values()].join(), /hidden word/);
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
