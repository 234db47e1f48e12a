import assert from "node:assert/strict";
import { test } from "node:test";
import { Config, log, secret } from "@pulumi/pulumi";
import { makeRecordingProvider } from "../../test/support/recording-provider.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";
import { Secret } from "../core/secret.ts";
import type { EngineEvent } from "./step.ts";

const word = "correct horse battery";

test("secrets are encrypted at rest, and stay secret in outputs", async () => {
  using harness = makeTestEngine();
  const { engine, texts, calls, counts } = harness;
  const program = async () => {
    const a = new Thing("a", { password: secret(word), nested: { list: [secret({ pin: 12_345 })] }, size: 1 });
    return { password: a.password, address: a.address };
  };
  const { outputs } = await engine.up(shop, program);
  assert.deepEqual(calls[0]?.inputs?.["password"], word, "a provider gets the value");
  const stored = [...texts.values()].join();
  assert.doesNotMatch(stored, /correct horse|12345/);
  assert.match(stored, /"ciphertext":"v1:/);
  assert.ok(outputs["password"] instanceof Secret);
  assert.equal(outputs["password"].reveal(), word);
  assert.equal(outputs["address"], "http://a-1");
  counts.saves = 0;
  await engine.up(shop, program);
  assert.equal(counts.saves, 0, "encrypting anew is no change");
});

test("a secret is marked again wherever a provider repeats it", async () => {
  const provider = makeRecordingProvider({
    create: async ({ inputs }) => ({
      id: "x",
      outputs: { url: `db:${JSON.stringify(inputs)}`, echo: word, token: "made up" },
    }),
  });
  using harness = makeTestEngine({ provider });
  await harness.engine.up(shop, async () => {
    const options = { additionalSecretOutputs: ["token", "url"] };
    return { a: new Thing("a", { password: secret(word) }, options).id };
  });
  const stored = [...harness.texts.values()].join();
  assert.doesNotMatch(stored, /correct horse|made up/);
});

test("a secret from the stack's configuration is redacted from the start", async () => {
  using harness = makeTestEngine();
  const told: EngineEvent[] = [];
  const { outputs } = await harness.engine.up(
    shop,
    async () => {
      const config = new Config("shop");
      await log.info(`password is ${config.require("password")}`);
      return { password: config.requireSecret("password"), plain: config.get("plain") };
    },
    {
      config: { "shop:password": word, "shop:plain": "p" },
      secretConfig: ["shop:password"],
      onEvent: (event) => told.push(event),
    },
  );
  assert.deepEqual(told, [{ type: "log", severity: "info", urn: null, message: "password is [redacted]" }]);
  assert.ok(outputs["password"] instanceof Secret);
  assert.equal(outputs["plain"], "p");
});

test("a state is readable with its own key alone", async () => {
  using first = makeTestEngine();
  const program = async () => ({ a: new Thing("a", { password: secret(word) }).address });
  await first.engine.up(shop, program);
  using other = makeTestEngine({ store: first.store, key: Buffer.alloc(32, 8) });
  await assert.rejects(other.engine.preview(shop, program), {
    code: "STATE_INVALID",
    message: /the state of shop\/production--ranker cannot be used: a secret was encrypted with another key/,
  });
});
