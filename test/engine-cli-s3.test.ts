import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../src/core/secret.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { shop, Thing } from "./support/stacks.ts";

/** `s3://BUCKET?endpoint=HOST:PORT&disableSSL=true&s3ForcePathStyle=true&region=us-east-1`, with AWS_… beside it. */
const url = process.env["WAYBILL_TEST_S3_URL"] ?? "";
const skip = cliSkip || (url === "" ? "no bucket: set WAYBILL_TEST_S3_URL to run this" : false);

const program = (size: number) => async () => {
  const thing = new Thing("a", { size });
  return { address: thing.address };
};

test("a state in a bucket: made, changed, found by another server, removed", { skip }, async () => {
  const backend = { url, passphrase: new Secret("correct passphrase") };
  const given = Object.entries(process.env).filter(([name]) => /^(?:AWS_.*|PATH)$/.test(name));
  const env = Object.fromEntries(given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const dependencies = { backend, env };
  using one = makeCliTestEngine({ dependencies });
  const made = await one.engine.up(shop, program(1));
  assert.deepEqual(one.taken(), ["create a"]);
  assert.equal((await one.engine.up(shop, program(1))).changes.same, 2);
  // Another server, whose work folder knows nothing of the stack.
  using other = makeCliTestEngine({ dependencies });
  const { outputs, changes } = await other.engine.up(shop, program(1));
  assert.deepEqual([outputs, changes.same, other.taken()], [made.outputs, 2, []]);
  assert.equal((await other.engine.export(shop))?.deployment.resources?.length, 3);
  await other.engine.destroy(shop);
  assert.deepEqual(other.taken(), ["delete a"]);
  await other.engine.forget(shop);
  assert.equal(await one.engine.export(shop), null);
});
