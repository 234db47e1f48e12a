import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ComponentResource, Config, log, ResourceHook, secret } from "@pulumi/pulumi";
import { Secret } from "../src/core/secret.ts";
import type { EngineEvent } from "../src/engine/step.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { makeConfigurable } from "./support/engine-suite.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop, stackOf, Thing } from "./support/stacks.ts";

const word = "correct horse battery";

const program = async () => {
  const group = new ComponentResource("test:index:Group", "g");
  const a = new Thing("a", { size: 1, password: secret(word) }, { parent: group, protect: true });
  const b = new Thing("b", { of: a.address }, { dependsOn: group, retainOnDelete: true });
  return { password: a.password, b: b.address };
};

/** Every file below a folder, as one text. */
function textOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}

test("a state moves to the CLI and back; nothing is left to do on either side", { skip: cliSkip }, async () => {
  const provider = makeRecordingProvider();
  using here = makeTestEngine({ provider });
  using cli = makeCliTestEngine({ provider });
  await here.engine.up(shop, program);
  // Sealed by this server's key, and shown: both are taken.
  for (const showSecrets of [false, true]) {
    await cli.engine.import(shop, await here.engine.export(shop, { showSecrets }));
    const preview = await cli.engine.preview(shop, program);
    assert.deepEqual(
      preview.steps.map(({ op }) => op),
      ["same", "same", "same", "same"],
    );
  }
  assert.doesNotMatch(textOf(cli.folder), /correct horse/);
  here.taken();
  assert.equal((await cli.engine.up(shop, program)).changes.same, 4);
  await here.engine.import(shop, await cli.engine.export(shop, { showSecrets: true }));
  assert.equal((await here.engine.up(shop, program)).changes.same, 4);
  assert.deepEqual(here.taken(), []);
});

test("secrets are sealed on the backend, and stay secret in outputs", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, folder, calls } = harness;
  const { outputs } = await engine.up(shop, program);
  assert.equal(calls[0]?.inputs?.["password"], word, "a provider gets the value");
  assert.ok(outputs["password"] instanceof Secret);
  assert.equal(outputs["password"].reveal(), word);
  assert.doesNotMatch(textOf(folder), /correct horse/);
  const shown = await engine.export(shop, { showSecrets: true });
  assert.match(JSON.stringify(shown), /correct horse/);
});

test("configuration reaches program and default provider, and follows its changes", { skip: cliSkip }, async () => {
  const provider = makeConfigurable();
  using harness = makeCliTestEngine({ provider });
  const told: EngineEvent[] = [];
  const configured = async () => {
    const config = new Config("shop");
    await log.info(`password is ${config.require("password")}`);
    return { password: config.requireSecret("password"), a: new Thing("a").address };
  };
  const secretConfig = ["shop:password", "test:key"];
  const config = { "shop:password": word, "test:key": word, "test:region": "north" };
  const options = { config, secretConfig, onEvent: (event: EngineEvent) => void told.push(event) };
  const { outputs } = await harness.engine.up(shop, configured, options);
  assert.ok(outputs["password"] instanceof Secret);
  const logged = told.flatMap((event) => (event.type === "log" ? [event.message] : []));
  assert.deepEqual(logged, ["password is [redacted]"]);
  assert.doesNotMatch(textOf(harness.folder), /correct horse/);
  await harness.engine.up(shop, configured, {
    config: { "shop:password": word, "test:region": "south" },
    secretConfig,
  });
  assert.deepEqual(provider.configurations, [{ region: "north", key: word }, { region: "south" }]);
});

test("stacks side by side do not mix, and one that fails, fails alone", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const up = (index: number) =>
    harness.engine.up(stackOf(`s${index}`), async () => {
      if (index === 2) void Promise.reject(new Error("rejected by 2"));
      return { address: new Thing(`t${index}`).address };
    });
  const results = await Promise.allSettled([1, 2, 3].map(up));
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  for (const [at, result] of results.entries()) {
    if (result.status === "fulfilled") assert.match(String(result.value.outputs["address"]), new RegExp(`t${at + 1}-`));
    else assert.match(String(result.reason), /rejected by 2/);
  }
});

test("what the CLI refuses is the user's turn; a preview leaves nothing", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, taken } = harness;
  await engine.preview(shop, program);
  assert.equal(await engine.export(shop), null);
  const one = (inputs: Record<string, unknown>) => async () => ({
    a: new Thing("a", inputs, { protect: true }).address,
  });
  await engine.up(shop, one({ fixed: 1 }));
  taken();
  const isProtected = { code: "RESOURCE_PROTECTED" };
  await assert.rejects(engine.up(shop, one({ fixed: 2 })), isProtected);
  await assert.rejects(
    engine.up(shop, async () => ({})),
    isProtected,
  );
  await assert.rejects(engine.destroy(shop), isProtected);
  assert.deepEqual(taken(), []);
  const twice = async () => ({ a: new Thing("a", {}).address, b: new Thing("a").address });
  await assert.rejects(engine.up(stackOf("twice"), twice), {
    code: "PROGRAM_FAILED",
    message: /[Dd]uplicate resource URN/,
  });
  const thrown = () => Promise.reject(new Error("boom"));
  await assert.rejects(engine.up(stackOf("throws"), thrown), { code: "PROGRAM_FAILED", message: "boom" });
  await assert.rejects(engine.import(shop, { version: 2 }), { code: "STATE_INVALID" });
});

test("refresh notes what is there, and what is gone is made again", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, things, taken } = harness;
  const two = async () => ({ b: new Thing("b", { of: new Thing("a", { size: 1 }).address }).address });
  await engine.up(shop, two);
  taken();
  things.delete("a-1");
  await engine.refresh(shop);
  await engine.up(shop, two);
  assert.deepEqual(taken(), ["create a", "update b"]);
});

test("a CLI that is not there is said so", async () => {
  using harness = makeCliTestEngine({ dependencies: { command: "/nowhere/pulumi" } });
  await assert.rejects(harness.engine.up(shop, program), {
    code: "CLI_UNAVAILABLE",
    message: /^the Pulumi CLI \(\/nowhere\/pulumi\) cannot be started/,
  });
});

test(
  "what the CLI serves beyond the engine in this process works: transforms and hooks",
  { skip: cliSkip },
  async () => {
    using harness = makeCliTestEngine();
    const { engine, calls } = harness;
    const deleted: string[] = [];
    const hook = (): ResourceHook => new ResourceHook("note", ({ name }) => void deleted.push(name));
    const hooked = (names: readonly string[]) => async () => {
      const note = hook();
      const transform = ({ props, opts }: { props: object; opts: object }) => ({ props: { ...props, size: 7 }, opts });
      const options = { transforms: [transform], hooks: { beforeDelete: [note] } };
      return Object.fromEntries(names.map((name) => [name, new Thing(name, {}, options).address]));
    };
    await engine.up(shop, hooked(["a", "b"]));
    assert.deepEqual(
      calls.map(({ inputs }) => inputs),
      [{ size: 7 }, { size: 7 }],
    );
    await engine.up(shop, hooked(["a"]));
    assert.deepEqual(deleted, ["b"]);
  },
);
