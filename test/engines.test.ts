import assert from "node:assert/strict";
import { test } from "node:test";
import { makeEngines } from "../src/server/targets/engines.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop, Thing } from "./support/stacks.ts";

const program = async () => {
  const a = new Thing("a", { size: 1 });
  return { b: new Thing("b", { of: a.address }).address };
};

test(
  "a target's other engine takes the state over, there and back; nothing is made anew",
  { skip: cliSkip },
  async () => {
    const provider = makeRecordingProvider();
    using here = makeTestEngine({ provider });
    using cli = makeCliTestEngine({ provider });
    let target = "local";
    const { engine, states } = makeEngines({
      inProcess: here.engine,
      states: here.store,
      byCli: new Map([["by-cli", cli.engine]]),
      targetOf: async () => target,
    });
    await engine.up(shop, program);
    assert.deepEqual(provider.taken(), ["create a", "create b"]);
    for (const next of ["by-cli", "local", "by-cli"]) {
      target = next;
      const { outputs, changes } = await engine.up(shop, program);
      assert.equal(changes.same, 3, next);
      assert.deepEqual(outputs, { b: "http://b-2" });
      assert.deepEqual(await states.list(), [shop]);
      assert.equal((await states.load(shop))?.state.deployment.resources?.length, 4);
      assert.equal((await here.store.load(shop)) === null, next === "by-cli");
      assert.equal(cli.engine.holds(shop), next === "by-cli");
    }
    assert.deepEqual(provider.taken(), []);
    // The CLI is not asked what would change, for that takes seconds: all would be made.
    assert.equal((await engine.preview(shop, program)).changes.create, 3);
    // What nothing is known of any more is removed by whoever has it.
    target = "gone";
    await engine.destroy(shop);
    assert.deepEqual(provider.taken(), ["delete b", "delete a"]);
    assert.deepEqual(await states.list(), []);
  },
);
