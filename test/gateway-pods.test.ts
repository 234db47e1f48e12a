import assert from "node:assert/strict";
import { createServer, type RequestListener, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import { makeGateway } from "../src/gateway/gateway.ts";
import type { Endpoints } from "../src/gateway/upstream/endpoints.ts";
import type { KnownRoute } from "../src/targets/route.ts";
import { ask, open, stack } from "./support/gateway.ts";
import { freePort } from "./support/server-process.ts";

/** Addresses as a test says them. */
function handFed() {
  let addresses: readonly string[] | null = null;
  let revision: string | null = null;
  const listeners = new Set<() => void>();
  const endpoints: Endpoints = {
    ready: () => addresses,
    revision: () => revision,
    follow: () => undefined,
    onChange(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    close: () => Promise.resolve(),
  };
  function feed(next: readonly string[], of: string | null = null): void {
    addresses = next;
    revision = of;
    for (const listener of listeners) listener();
  }
  return { endpoints, feed };
}

/** A gateway within this process whose one route leads to pods: addresses of the loopback net, all on one port. */
async function startPods() {
  const folder = mkdtempSync(join(tmpdir(), "waybill-pods-"));
  const [port, podPort] = [await freePort(), await freePort()];
  const upstream = {
    kind: "pods",
    target: "c",
    namespace: "n",
    service: "s",
    port: podPort,
    protocol: "http",
  } as const;
  let route: KnownRoute = { host: "ranker", stack, access: open, upstream: { ...upstream, revision: "1" } };
  const { endpoints, feed } = handFed();
  const gateway = makeGateway({
    origin: { scheme: "http", domain: `localhost:${port}` },
    accessLogFile: join(folder, "access.log"),
    source: () => ({
      routes: () => Promise.resolve([route]),
      credentials: () => Promise.resolve([]),
      endpoint: () => Promise.resolve(null),
      recordUse: () => Promise.resolve(),
      recordActivity: () => Promise.resolve(),
      askWake: () => Promise.resolve(),
    }),
    endpoints,
    clock: systemClock,
    log: silentLog,
  });
  await gateway.mirror.load();
  await gateway.listen({ port, host: "127.0.0.1" });
  const pods: Server[] = [];
  return {
    feed,
    /** Has the route lead to another revision. */
    async move(revision: string): Promise<void> {
      route = { ...route, upstream: { ...upstream, revision } };
      await gateway.mirror.load();
    },
    /** Asks for one, with what is sent behind the request's head; answers all that comes back. */
    webSocket(behind = "") {
      const socket = connect(port, "127.0.0.1");
      let heard = "";
      socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
      socket.write(
        `GET / HTTP/1.1\r\nHost: ranker.localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n${behind}`,
      );
      const answer = new Promise<string>((resolve) => socket.once("close", () => resolve(heard)));
      return { socket, answer };
    },
    logged: () =>
      readFileSync(join(folder, "access.log"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { readonly status: number }),
    ask: (method = "GET", body?: string) => ask(port, { method, ...(body !== undefined && { body }) }),
    async pod(address: string, listener: RequestListener): Promise<Server> {
      const server = createServer(listener);
      pods.push(server);
      await new Promise<void>((resolve) => server.listen(podPort, address, resolve));
      return server;
    },
    async [Symbol.asyncDispose]() {
      await gateway.close(0);
      for (const server of pods) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("requests go to the pod with the fewest under way, and equals take turns", async () => {
  await using world = await startPods();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  await world.pod("127.0.0.1", (request, response) => {
    if (request.method === "POST") void held.then(() => response.end("held"));
    else response.end("one");
  });
  await world.pod("127.0.0.2", (_, response) => response.end("two"));
  world.feed(["127.0.0.1", "127.0.0.2"]);
  const seen = new Set<string>();
  for (let index = 0; index < 4; index += 1) seen.add((await world.ask()).body);
  assert.deepEqual([...seen].sort(), ["one", "two"]);
  world.feed(["127.0.0.1"]);
  const slow = world.ask("POST", "x");
  await new Promise((resolve) => setTimeout(resolve, 50));
  world.feed(["127.0.0.1", "127.0.0.2"]);
  for (let index = 0; index < 4; index += 1) assert.equal((await world.ask()).body, "two");
  release();
  assert.equal((await slow).body, "held");
});

test("another pod is tried only where nothing was sent", async () => {
  await using world = await startPods();
  let posts = 0;
  await world.pod("127.0.0.2", (_, response) => {
    posts += 1;
    response.end("alive");
  });
  // Nothing listens at the first: it is gone, and the cluster has not said so yet.
  world.feed(["127.0.0.1", "127.0.0.2"]);
  for (let index = 0; index < 6; index += 1) assert.equal((await world.ask("POST", "x")).body, "alive");
  assert.equal(posts, 6);
  let taken = 0;
  await world.pod("127.0.0.1", (request) => {
    taken += 1;
    request.socket.destroy();
  });
  const answers = await Promise.all([0, 1, 2, 3].map(() => world.ask("POST", "x")));
  assert.deepEqual([taken > 0, posts + taken], [true, 10], "each was sent once");
  assert.equal(answers.filter(({ status }) => status === 502).length, taken);
});

test("a pod that takes no connections for a moment is asked again, by requests of any method", async () => {
  await using world = await startPods();
  const answer: RequestListener = (request, response) => response.end(`${request.method} answered`);
  const crash: RequestListener = (request) => {
    crashing.close();
    request.socket.destroy();
  };
  const crashing = await world.pod("127.0.0.1", crash);
  world.feed(["127.0.0.1"]);
  // Its program ends by a request, and is started again after more than a second.
  const [read, written] = [world.ask(), new Promise((resolve) => crashing.once("close", resolve))];
  await written;
  const post = world.ask("POST", "x");
  setTimeout(() => void world.pod("127.0.0.1", answer), 1_200);
  assert.deepEqual([(await read).body, (await post).body], ["GET answered", "POST answered"]);
});

test("a pod that refuses is gone before the cluster says so: the request waits for the next one", async () => {
  await using world = await startPods();
  await world.pod("127.0.0.2", (_, response) => response.end("next"));
  world.feed(["127.0.0.1"]);
  const early = world.ask("POST", "x");
  setTimeout(() => world.feed([]), 300);
  setTimeout(() => world.feed(["127.0.0.2"]), 1_500);
  assert.equal((await early).body, "next");
});

test("a WebSocket that a pod refuses for a moment is asked for again; what came with it is sent once", async () => {
  await using world = await startPods();
  const heard: string[] = [];
  world.feed(["127.0.0.1"]);
  const opened = world.webSocket("and more");
  setTimeout(() => {
    void world
      .pod("127.0.0.1", (_, response) => response.end("no WebSocket"))
      .then((pod) =>
        pod.on("upgrade", (request, socket) => {
          heard.push(request.url ?? "");
          socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
          socket.once("data", (chunk: Buffer) => socket.end(`heard ${chunk.toString()}`));
        }),
      );
  }, 1_200);
  assert.match(await opened.answer, /^HTTP\/1\.1 101 [^]*heard and more$/);
  assert.deepEqual(heard, ["/"]);
});

test("a WebSocket waits for the next pod, is told when none comes, and is let go of when its client leaves", async () => {
  await using world = await startPods();
  await world.pod("127.0.0.2", (_, response) => response.end("next"));
  world.feed(["127.0.0.1"]);
  const moved = world.webSocket();
  setTimeout(() => world.feed(["127.0.0.2"]), 300);
  assert.match(await moved.answer, /^HTTP\/1\.1 200 [^]*next/);
  world.feed(["127.0.0.1"]);
  const left = world.webSocket();
  setTimeout(() => left.socket.destroy(), 100);
  const startedMs = performance.now();
  assert.match(await world.webSocket().answer, /^HTTP\/1\.1 502 [^]*Nothing takes connections/);
  assert.ok(performance.now() - startedMs > 4_900);
  while (world.logged().length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    world.logged().map(({ status }) => status),
    [200, 499, 502],
  );
});

test("a pod that never takes a connection is told of, after some seconds", async () => {
  await using world = await startPods();
  world.feed(["127.0.0.1"]);
  const startedMs = performance.now();
  const { status, body } = await world.ask();
  assert.equal(status, 502);
  assert.match(body, /Nothing takes connections where this deployment should listen/);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 4_900 && tookMs < 9_000, `${tookMs} ms`);
});

test("without a ready pod a request waits a moment for one; then it is told", async () => {
  await using world = await startPods();
  await world.pod("127.0.0.1", (_, response) => response.end("came"));
  const early = world.ask();
  setTimeout(() => world.feed(["127.0.0.1"]), 100);
  assert.equal((await early).body, "came");
  world.feed([]);
  const startedMs = Date.now();
  const { status, body } = await world.ask();
  assert.equal(status, 503);
  assert.match(body, /None of this deployment's pods is ready/);
  assert.ok(Date.now() - startedMs >= 4_900);
});

test("a route that has moved waits for the pods of its revision; pods that have moved do not wait for their route", async () => {
  await using world = await startPods();
  await world.pod("127.0.0.1", (_, response) => response.end("old"));
  await world.pod("127.0.0.2", (_, response) => response.end("new"));
  world.feed(["127.0.0.1"], "1");
  assert.equal((await world.ask()).body, "old");
  await world.move("2");
  const early = world.ask();
  setTimeout(() => world.feed(["127.0.0.2"], "2"), 100);
  assert.equal((await early).body, "new");

  world.feed(["127.0.0.1"], "1");
  const startedMs = performance.now();
  assert.equal((await world.ask()).body, "old");
  assert.ok(performance.now() - startedMs < 1_000, "the route follows");
  await world.move("1");
  assert.equal((await world.ask()).body, "old");
});

test("pods that never say whose they are answer all the same, after a while", async () => {
  await using world = await startPods();
  await world.pod("127.0.0.1", (_, response) => response.end("any"));
  world.feed(["127.0.0.1"], "1");
  await world.move("2");
  assert.equal((await world.ask()).body, "any");
  await world.move("3");
  world.feed(["127.0.0.1"]);
  assert.equal((await world.ask()).body, "any");
});
