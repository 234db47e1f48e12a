import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../src/engine/provider.ts";
import { callOf, makeLocalHarness, processInputs, providerOf, type LocalHarness } from "./support/local-target.ts";

// What the build of a source said is read before what its programs say, once for all that run from it.

const stack = { repository: "shop", environment: "production", deployment: "web" };
const server = (version: string) => `
  console.log("version ${version}");
  require("node:http").createServer((q, s) => s.end()).listen(process.env.PORT);
`;

async function makeSource(harness: LocalHarness, version: string, build = `echo building ${version}`): Promise<Json> {
  const tree = harness.trees.add({ "server.js": server(version) });
  const inputs = { stack, tree, workingDir: ".", build, env: {}, files: {} };
  const call = callOf({ type: "waybill:local:Source", name: "web" });
  return (await providerOf(harness.target).create({ ...call, inputs })).outputs["key"] as Json;
}

const startProcess = (harness: LocalHarness, source: Json) =>
  providerOf(harness.target).create({
    ...callOf({ type: "waybill:local:Process", name: "web" }),
    inputs: processInputs({ source }),
  });

async function read(harness: LocalHarness, lines: number): Promise<readonly string[]> {
  const said: string[] = [];
  const request = { lines, follow: false, signal: new AbortController().signal };
  let before = "";
  for await (const { stream, text, at } of harness.target.logs(stack, request)) {
    assert.ok(at >= before, `${text} of ${at} stands after a line of ${before}`);
    before = at;
    said.push(`${stream} ${text}`);
  }
  return said.filter((line) => !line.startsWith("waybill "));
}

test("the build's output stands before its programs' lines, once per source", async () => {
  await using harness = makeLocalHarness();
  const one = await makeSource(harness, "1", "echo building 1; echo warning >&2");
  assert.deepEqual(await read(harness, 50), ["build building 1", "build warning"], "a site has nothing else");
  await startProcess(harness, one);
  await startProcess(harness, one);
  await startProcess(harness, await makeSource(harness, "2"));
  // A line's time is that of the look that saw it, so those of two sources may stand among each other.
  const all = await read(harness, 50);
  const second = ["build building 2", "stdout version 2"];
  assert.deepEqual(
    all.filter((line) => !second.includes(line)),
    ["build building 1", "build warning", "stdout version 1", "stdout version 1"],
  );
  assert.deepEqual(
    all.filter((line) => second.includes(line)),
    second,
  );
});

test("whoever follows reads the build of the revision that comes", async () => {
  await using harness = makeLocalHarness();
  await startProcess(harness, await makeSource(harness, "1"));
  const abort = new AbortController();
  const said: string[] = [];
  const following = (async () => {
    for await (const { stream, text } of harness.target.logs(stack, { lines: 0, follow: true, signal: abort.signal }))
      if (stream !== "waybill") said.push(`${stream} ${text}`);
  })();
  await sleep(150);
  await startProcess(harness, await makeSource(harness, "2"));
  while (said.length < 2) await sleep(20);
  abort.abort();
  await following;
  assert.deepEqual(said, ["build building 2", "stdout version 2"]);
});
