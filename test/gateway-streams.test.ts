import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { openAnswer, startGateway, until, type GatewayUnderTest } from "./support/gateway.ts";

let gateway: GatewayUnderTest;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway[Symbol.asyncDispose]());

const hostOf = (label = "ranker"): string => `${label}.localhost:${gateway.port}`;

/** What a raw client reads until the connection ends. */
async function raw(bytes: string | Buffer): Promise<string> {
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(bytes);
  return text(socket);
}

test("an upload is heard while it is sent, and the answer while the upload goes on", async () => {
  const { port } = await gateway.upstream((incoming, response) => incoming.pipe(response));
  await gateway.route({ port });
  const outgoing = request({ port: gateway.port, host: "127.0.0.1", method: "POST", headers: { host: hostOf() } });
  const heard: string[] = [];
  outgoing.on("response", (response) => response.setEncoding("utf8").on("data", (chunk: string) => heard.push(chunk)));
  for (const part of ["one", "two", "three"]) {
    outgoing.write(part);
    await until(() => heard.join("").endsWith(part), `the echo of ${part}`);
  }
  outgoing.end();
  assert.equal(heard.join(""), "onetwothree");
});

test("server-sent events arrive one by one, and the upstream learns when the reader leaves", async () => {
  let stream: ServerResponse | undefined;
  const { port } = await gateway.upstream((_, response) => {
    stream = response;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
  });
  await gateway.route({ port });
  const response = await openAnswer(gateway.port, { headers: { accept: "text/event-stream" } });
  const heard: string[] = [];
  response.setEncoding("utf8").on("data", (chunk: string) => heard.push(chunk));
  for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
    stream?.write(event);
    await until(() => heard.join("").endsWith(event), event);
  }
  response.destroy();
  await until(() => stream?.destroyed === true, "the upstream's stream is closed");
});

test("100 MB pass both ways in bounded memory, byte for byte", async () => {
  const { port } = await gateway.upstream((incoming, response) => incoming.pipe(response));
  await gateway.route({ port });
  const block = randomBytes(1024 * 1024);
  const [sent, received] = [createHash("sha256"), createHash("sha256")];
  const outgoing = request({ port: gateway.port, host: "127.0.0.1", method: "PUT", headers: { host: hostOf() } });
  const done = new Promise<void>((resolve, reject) => {
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      response.on("data", (chunk: Buffer) => received.update(chunk));
      response.once("end", resolve);
    });
  });
  const residentMib = (): number =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.handle.pid()}/status`, "utf8"))?.[1]) / 1024;
  const beforeMib = residentMib();
  let peakMib = 0;
  for (let index = 0; index < 100; index += 1) {
    sent.update(block);
    if (!outgoing.write(block)) await new Promise((resolve) => outgoing.once("drain", resolve));
    peakMib = Math.max(peakMib, residentMib());
  }
  outgoing.end();
  await done;
  assert.equal(received.digest("hex"), sent.digest("hex"));
  assert.ok(peakMib - beforeMib < 90, `grew by ${Math.round(peakMib - beforeMib)} MiB`);
});

test("a reader that is slow holds the upstream back", async () => {
  let written = 0;
  const block = Buffer.alloc(64 * 1024);
  const { port } = await gateway.upstream((_, response) => {
    function more(): void {
      while (written < 64 * 1024 * 1024 && !response.destroyed) {
        written += block.length;
        if (!response.write(block)) return void response.once("drain", more);
      }
      response.end();
    }
    more();
  });
  await gateway.route({ port });
  const response = await openAnswer(gateway.port, {});
  response.pause();
  await sleep(300);
  assert.ok(written < 32 * 1024 * 1024, `${written} bytes were taken from the upstream and held`);
  response.destroy();
});

test("an upstream that dies in the middle cuts the answer off, it does not end it", async () => {
  const { port } = await gateway.upstream((_, response) => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("half");
    setTimeout(() => response.socket?.destroy(), 20);
  });
  await gateway.route({ port });
  const response = await openAnswer(gateway.port, {});
  await assert.rejects(text(response), { code: "ECONNRESET" });
});

test("nobody listening, no answer, and an answer before the upload's end are told apart", async () => {
  await gateway.route({ port: 1 });
  const refused = await gateway.ask({ headers: { accept: "text/html" } });
  assert.equal(refused.status, 502);
  assert.match(refused.body, /No answer<\/h1>[^]*request [0-9a-f]{24}/);
  let calls = 0;
  const silent = await gateway.upstream((incoming) => {
    calls += 1;
    incoming.socket.destroy();
  });
  await gateway.route({ port: silent.port });
  assert.equal((await gateway.ask({ method: "POST", body: "once" })).status, 502);
  assert.equal(calls, 1, "what changes something is sent once");
  const early = await gateway.upstream((_, response) => response.writeHead(413).end("too much"));
  await gateway.route({ port: early.port });
  const answer = await gateway.ask({ method: "POST", body: randomBytes(4 * 1024 * 1024) });
  assert.deepEqual([answer.status, answer.body], [413, "too much"]);
});

test("a client that leaves frees the upstream", async () => {
  let [arrived, closed] = [false, false];
  const { port } = await gateway.upstream((incoming) => {
    arrived = true;
    incoming.socket.once("close", () => (closed = true));
  });
  await gateway.route({ port });
  const outgoing = request({ port: gateway.port, host: "127.0.0.1", headers: { host: hostOf() } });
  outgoing.on("error", () => undefined);
  outgoing.end();
  await until(() => arrived, "the upstream has it");
  outgoing.destroy();
  await until(() => closed, "the upstream's connection is closed");
});

test("HEAD, 204, 304, cookies, trailers and an answer's own headers keep their shape", async () => {
  const { port } = await gateway.upstream((incoming, response) => {
    if (incoming.url === "/empty") return response.writeHead(204).end();
    if (incoming.url === "/same") return response.writeHead(304, { etag: '"x"' }).end();
    if (incoming.url === "/trailers") {
      response.writeHead(200, { trailer: "X-Sum" });
      response.write("body");
      response.addTrailers({ "X-Sum": "9" });
      return response.end();
    }
    const headers = ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "Content-Length", "5", "X-Mixed-Case", "y"];
    return response.writeHead(200, headers).end("12345");
  });
  await gateway.route({ port });
  const head = await gateway.ask({ method: "HEAD" });
  assert.deepEqual([head.status, head.headers["content-length"], head.body], [200, "5", ""]);
  assert.deepEqual(head.headers["set-cookie"], ["a=1", "b=2"]);
  assert.ok(head.rawHeaders.includes("X-Mixed-Case"));
  assert.equal((await gateway.ask({ path: "/empty" })).status, 204);
  assert.equal((await gateway.ask({ path: "/same" })).headers.etag, '"x"');
  const response = await openAnswer(gateway.port, { path: "/trailers" });
  await text(response);
  assert.deepEqual(response.trailers, { "x-sum": "9" });
});

test("Expect: 100-continue is answered, and h2c offered is ignored, body and all", async () => {
  const { port } = await gateway.upstream((incoming, response) => {
    void text(incoming).then((body) => response.end(`${incoming.headers.upgrade ?? "none"} ${body}`));
  });
  await gateway.route({ port });
  const outgoing = request({
    port: gateway.port,
    host: "127.0.0.1",
    method: "POST",
    headers: { host: hostOf(), expect: "100-continue", "content-length": 4 },
  });
  outgoing.flushHeaders();
  await new Promise((resolve) => outgoing.once("continue", resolve));
  const answered = new Promise<string>((resolve) => outgoing.once("response", (response) => resolve(text(response))));
  outgoing.end("body");
  assert.equal(await answered, "none body");
  const offer = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
  const reply = await raw(`POST / HTTP/1.1\r\nHost: ${hostOf()}\r\n${offer}Content-Length: 4\r\n\r\nbody`);
  assert.match(reply, /^HTTP\/1.1 200 [^]*none body/);
});

test("a WebSocket passes bytes both ways, counts as under way, and ends on both sides", async () => {
  const { port, server } = await gateway.upstream((_, response) => response.writeHead(426).end("upgrade"));
  let far: Socket | undefined;
  server.on("upgrade", (incoming, socket: Socket) => {
    far = socket;
    if (incoming.url === "/last-words") {
      const words = Buffer.alloc(2 * 1024 * 1024, "x");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
      return socket.end(words);
    }
    if (incoming.url === "/no") return socket.end("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
    return socket.pipe(socket);
  });
  await gateway.route({ port });
  const opening = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: ${hostOf()}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`;
  const socket = connect(gateway.port, "127.0.0.1");
  let heard = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk));
  socket.write(opening("/chat"));
  await until(() => heard.endsWith("hello"), "the upgrade");
  assert.match(heard, /^HTTP\/1.1 101 [^]*x-request-id: [0-9a-f]{24}/i);
  socket.write("ping");
  await until(() => heard.endsWith("ping"), "the echo");
  const signal = AbortSignal.timeout(30_000);
  await gateway.route({ port: 1 });
  assert.equal(await gateway.handle.traffic.drained({ hostname: "127.0.0.1", port }, { timeoutMs: 200, signal }), 1);
  await until(() => socket.destroyed || socket.readableEnded, "it is ended with the upstream");
  await until(() => far?.destroyed === true, "on both sides");
  await gateway.route({ port });
  const lastWords = await raw(opening("/last-words"));
  assert.equal(
    lastWords.length - lastWords.indexOf("\r\n\r\n") - 4,
    2 * 1024 * 1024,
    "all that was said before the end",
  );
  assert.match(await raw(opening("/no")), /^HTTP\/1.1 403 [^]*no$/);
});

test("1,000 requests at once are all answered", async () => {
  const { port } = await gateway.upstream((_, response) => setTimeout(() => response.end("ok"), 50));
  await gateway.route({ port });
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => gateway.ask({})));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
});

const hostile: readonly (readonly [what: string, head: string, status: RegExp])[] = [
  ["no Host", "GET / HTTP/1.1\r\n", /^HTTP\/1.1 400/],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: <host>\r\nHost: localhost\r\n", /^HTTP\/1.1 400/],
  ["absolute form", "GET http://<host>/x HTTP/1.1\r\nHost: evil.example\r\n", /^HTTP\/1.1 200/],
  ["absolute form, elsewhere", "GET http://evil.example/ HTTP/1.1\r\nHost: <host>\r\n", /^HTTP\/1.1 404/],
  ["absolute form, with a user", "GET http://x@<host>/ HTTP/1.1\r\nHost: <host>\r\n", /^HTTP\/1.1 400/],
  ["upper case", "GET / HTTP/1.1\r\nHost: RANKER.LOCALHOST\r\n", /^HTTP\/1.1 200/],
  ["a dot at the end", "GET / HTTP/1.1\r\nHost: ranker.localhost.\r\n", /^HTTP\/1.1 200/],
  ["deeper", "GET / HTTP/1.1\r\nHost: a.ranker.localhost\r\n", /^HTTP\/1.1 404/],
  ["very long", `GET / HTTP/1.1\r\nHost: ${"a".repeat(20_000)}.localhost\r\n`, /^HTTP\/1.1 400/],
  ["a head without end", `GET / HTTP/1.1\r\nHost: <host>\r\nX: ${"a".repeat(60_000)}\r\n`, /^HTTP\/1.1 431/],
  ["asterisk", "OPTIONS * HTTP/1.1\r\nHost: <host>\r\n", /^HTTP\/1.1 400/],
  ["CONNECT", "CONNECT <host> HTTP/1.1\r\nHost: <host>\r\n", /^$/],
  [
    "two Authorizations",
    "GET / HTTP/1.1\r\nHost: <host>\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n",
    /^HTTP\/1.1 400/,
  ],
  [
    "both lengths",
    "POST / HTTP/1.1\r\nHost: <host>\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    /^HTTP\/1.1 400/,
  ],
  ["two lengths", "POST / HTTP/1.1\r\nHost: <host>\r\nContent-Length: 0\r\nContent-Length: 3\r\n", /^HTTP\/1.1 400/],
  ["a length in words", "POST / HTTP/1.1\r\nHost: <host>\r\nContent-Length: +3\r\n", /^HTTP\/1.1 400/],
  ["chunked twice", "POST / HTTP/1.1\r\nHost: <host>\r\nTransfer-Encoding: chunked, chunked\r\n", /^HTTP\/1.1 (?:400)/],
  ["another coding", "POST / HTTP/1.1\r\nHost: <host>\r\nTransfer-Encoding: gzip, chunked\r\n", /^HTTP\/1.1 400/],
  ["a folded header", "GET / HTTP/1.1\r\nHost: <host>\r\nX: a\r\n b\r\n", /^HTTP\/1.1 400/],
  ["a space before the colon", "GET / HTTP/1.1\r\nHost : <host>\r\n", /^HTTP\/1.1 400/],
  ["a bare line feed", "GET / HTTP/1.1\nHost: <host>\n", /^HTTP\/1.1 400/],
];
for (const [what, head, status] of hostile) {
  test(`hostile: ${what}`, async () => {
    const { port } = await gateway.upstream((_, response) => response.end("reached"));
    await gateway.route({ port });
    const text = `${head.replaceAll("<host>", hostOf())}Connection: close\r\n\r\n`;
    assert.match(await raw(text), status);
  });
}
