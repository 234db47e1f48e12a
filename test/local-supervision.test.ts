import assert from "node:assert/strict";
import { test } from "node:test";
import { callOf, makeLocalHarness, processInputs, providerOf, type LocalHarness } from "./support/local-target.ts";
import { WaybillError } from "../src/core/errors.ts";
import type { Json } from "../src/engine/provider.ts";
import { startTimeOf } from "../src/targets/local/processes/process-table.ts";

const stack = { repository: "shop", environment: "production", deployment: "web" };

async function start(harness: LocalHarness, server: string, operationId = "one") {
  const provider = providerOf(harness.target);
  const source = await provider.create({
    ...callOf({ type: "waybill:local:Source", name: "web", operationId }),
    inputs: {
      stack,
      tree: harness.trees.add({ "server.js": server }),
      workingDir: ".",
      build: null,
      env: {},
      files: {},
    },
  });
  const call = callOf({ type: "waybill:local:Process", name: "web", operationId });
  const { id, outputs } = await provider.create({
    ...call,
    inputs: processInputs({ source: source.outputs["key"] as Json }),
  });
  return {
    id,
    url: `http://127.0.0.1:${Number(outputs["port"])}`,
    stop: () => provider.delete({ ...call, id, inputs: {}, outputs }),
  };
}

const server = `
  const http = require("node:http");
  console.log("listening");
  http.createServer((q, s) => {
    if (q.url === "/crash") { console.log("about to crash"); process.exit(9); }
    console.log("asked " + q.url);
    s.end(String(process.pid));
  }).listen(process.env.PORT);
`;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("a program that crashes is started again on its port, and its stack says why it is away", async () => {
  await using harness = makeLocalHarness();
  const seen: string[] = [];
  harness.target.onStatus(({ status }) => seen.push(`${status.state} ${status.reason}`));
  const { url } = await start(harness, server);
  const pid = await (await fetch(url)).text();
  await assert.rejects(fetch(`${url}/crash`));
  await until(() => harness.target.status(stack)?.state === "degraded");
  await until(() => harness.target.status(stack)?.state === "ready");
  assert.notEqual(await (await fetch(url)).text(), pid);
  assert.equal(seen.length, 4, seen.join("\n"));
  assert.deepEqual([seen[0], seen[1], seen[3]], ["starting ", "ready ", "ready "]);
  assert.match(
    seen[2] ?? "",
    /^degraded crashed .*with status 9\nlast 4 lines:\n {2}listening\n {2}asked \/\n {2}asked \/\n {2}about to crash\nstarts again in 1 s$/,
  );
});

test(
  "a server that another has replaced starts nothing again, and leaves it to that one",
  { timeout: 30_000 },
  async () => {
    let loss: WaybillError | null = null;
    let questions = 0;
    const confirm = async (): Promise<void> => {
      questions += 1;
      if (questions === 1) throw new Error("the database is away");
      if (loss) throw loss;
    };
    const harness = makeLocalHarness({ lease: { confirm } });
    const { url } = await start(harness, server);
    await assert.rejects(fetch(`${url}/crash`));
    await until(() => harness.target.status(stack)?.state === "degraded");
    await until(() => harness.target.status(stack)?.state === "ready");
    assert.equal(questions, 3, "once more where nobody knew, and once more after the pause");

    loss = new WaybillError("LEASE_LOST", "another server has taken over");
    await assert.rejects(fetch(`${url}/crash`));
    await until(() => questions === 4);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await assert.rejects(fetch(url));
    assert.equal(questions, 4);

    await harness.target.detach();
    await using next = makeLocalHarness({ folder: harness.folder });
    await next.target.adopt();
    await until(() => next.target.status(stack)?.state === "ready");
    assert.equal((await fetch(url)).status, 200);
  },
);

test("logs are followed from one revision into the next", async () => {
  await using harness = makeLocalHarness();
  const abort = new AbortController();
  const first = await start(harness, server);
  await fetch(`${first.url}/one`);
  const followed: string[] = [];
  const following = (async () => {
    for await (const line of harness.target.logs(stack, { lines: 2, follow: true, signal: abort.signal })) {
      followed.push(`${line.stream} ${line.text}`);
      assert.ok(Date.now() - Date.parse(line.at) < 60_000);
    }
  })();
  await until(() => followed.length === 2);
  const second = await start(harness, server, "two");
  await first.stop();
  await harness.target.retired();
  await fetch(`${second.url}/two`);
  await until(() => followed.includes("stdout asked /two"));
  abort.abort();
  await following;
  assert.ok(followed.includes("stdout asked /one"));
  assert.ok(followed.some((line) => line.startsWith("waybill stopped: a newer revision took its place")));
  const once: string[] = [];
  const request = { lines: 1, follow: false, revision: first.id, signal: abort.signal };
  for await (const line of harness.target.logs(stack, request)) once.push(line.text);
  assert.deepEqual(once, ["stopped: a newer revision took its place, or it was removed"]);
});

test(
  "what a program leaves behind ends with it, even outside of its group",
  { skip: process.platform !== "linux" },
  async () => {
    await using harness = makeLocalHarness();
    const { url, stop } = await start(
      harness,
      `const child = require("node:child_process").spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
     require("node:http").createServer((q, s) => s.end(String(child.pid))).listen(process.env.PORT)`,
    );
    const child = Number(await (await fetch(url)).text());
    process.kill(child, 0);
    await stop();
    await harness.target.retired();
    await until(() => startTimeOf(child) === null);
  },
);

test("a program has its grace time, and no more", async () => {
  await using harness = makeLocalHarness();
  const provider = providerOf(harness.target);
  const deaf = `process.on("SIGTERM", () => console.log("not yet")); ${server}`;
  const key = (
    await provider.create({
      ...callOf({ type: "waybill:local:Source", name: "web" }),
      inputs: {
        stack,
        tree: harness.trees.add({ "server.js": deaf }),
        workingDir: ".",
        build: null,
        env: {},
        files: {},
      },
    })
  ).outputs["key"] as Json;
  const call = callOf({ type: "waybill:local:Process", name: "web" });
  const { id, outputs } = await provider.create({
    ...call,
    inputs: processInputs({ source: key, stopTimeoutSeconds: 1 }),
  });
  const startedAt = Date.now();
  await provider.delete({ ...call, id, inputs: {}, outputs });
  await harness.target.retired();
  const tookMs = Date.now() - startedAt;
  assert.ok(tookMs >= 1_000 && tookMs < 4_000, `${tookMs} ms`);
  const lines: string[] = [];
  for await (const line of harness.target.logs(stack, { lines: 50, follow: false, signal: call.signal }))
    lines.push(line.text);
  assert.ok(lines.includes("not yet"), lines.join("\n"));
});

test("what was stopped with the server starts again with the next one", async () => {
  const before = makeLocalHarness();
  const { url } = await start(before, server);
  await before.target.stopAll();
  await assert.rejects(fetch(url));
  await using harness = makeLocalHarness({ folder: before.folder });
  await harness.target.adopt();
  await until(() => harness.target.status(stack)?.state === "ready");
  assert.ok((await fetch(url)).ok);
});
