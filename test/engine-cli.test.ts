import assert from "node:assert/strict";
import { test } from "node:test";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { shop, Thing } from "./support/stacks.ts";

test("by the CLI, a program's resources are created, left alone, updated and deleted", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, taken } = harness;
  const program = (size: number, hasB: boolean) => async () => {
    const a = new Thing("a", { size });
    const b = hasB ? new Thing("b", { of: a.address }) : undefined;
    return { address: a.address, b: b?.address };
  };
  const first = await engine.up(shop, program(1, true));
  assert.deepEqual(taken(), ["create a", "create b"]);
  assert.deepEqual(first.outputs, { address: "http://a-1", b: "http://b-2" });
  const preview = await engine.preview(shop, program(2, false));
  assert.deepEqual(
    preview.steps.map(({ op, name, diffs }) => `${op} ${name} ${diffs.join()}`),
    ["same shop-production--ranker ", "update a size", "delete b "],
  );
  await engine.up(shop, program(2, false));
  assert.deepEqual(taken(), ["update a", "delete b"]);
  await engine.destroy(shop);
  assert.equal(await engine.export(shop), null);
});
