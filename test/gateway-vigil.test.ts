import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mintSecret, mintToken } from "../src/access/proof/token.ts";
import { open, openAnswer, signedIn, startGateway, until, type GatewayUnderTest } from "./support/gateway.ts";

// A WebSocket or an event stream stays for as long as whoever opened it would be let in, and not a second longer.

const limitMs = 1_000;

let gateway: GatewayUnderTest;
let port: number;

before(async () => {
  gateway = await startGateway();
  const upstream = await gateway.upstream((_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: hello\n\n");
    const saying = setInterval(() => response.write("data: again\n\n"), 50);
    response.on("close", () => clearInterval(saying));
  });
  upstream.server.on("upgrade", (_, socket: Socket) => {
    socket.on("error", () => socket.destroy());
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello");
    socket.pipe(socket);
  });
  port = upstream.port;
});
after(() => gateway[Symbol.asyncDispose]());

/** An event stream, and whether it goes on. */
async function openStream(header: string) {
  const [name = "", value = ""] = header.split(": ");
  const response = await openAnswer(gateway.port, {
    host: `ranker.localhost:${gateway.port}`,
    headers: { [name]: value },
  });
  assert.equal(response.statusCode, 200);
  let events = 0;
  let isOver = false;
  response.on("data", () => (events += 1));
  response.on("error", () => undefined).on("close", () => (isOver = true));
  await until(() => events > 0, "an event");
  return { response, events: () => events, isOver: () => isOver };
}

interface Opened {
  readonly socket: Socket;
  readonly isEnded: () => boolean;
  /** Resolves when what is said comes back. */
  says(words: string): Promise<void>;
}

async function openSocket(header = "", path = "/chat"): Promise<Opened> {
  const socket = connect(gateway.port, "127.0.0.1");
  let heard = "";
  let ended = false;
  socket.on("error", () => undefined);
  socket.on("close", () => (ended = true));
  socket.setEncoding("latin1").on("data", (chunk: string) => (heard += chunk));
  const host = `ranker.localhost:${gateway.port}`;
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, "Connection: Upgrade", "Upgrade: websocket"];
  socket.write(`${[...lines, ...(header === "" ? [] : [header])].join("\r\n")}\r\n\r\n`);
  await until(() => heard.endsWith("hello") || ended, "the upgrade");
  assert.match(heard, /^HTTP\/1.1 101 /);
  return {
    socket,
    isEnded: () => ended,
    async says(words) {
      socket.write(words);
      await until(() => heard.endsWith(words), words);
    },
  };
}

async function newToken(name: string, groups: readonly string[] = []) {
  const id = randomUUID();
  const { secret, hash } = mintToken();
  await gateway.store.addToken({
    id,
    hash,
    name,
    role: "viewer",
    groups,
    owner: null,
    createdBy: "ada",
    createdAt: new Date(),
    expiresAt: null,
  });
  return { id, header: `Authorization: Bearer ${secret.reveal()}` };
}

test("a token that is removed ends its connections within a second, and nobody else's", async () => {
  await gateway.route({ port, access: signedIn });
  const [one, other] = [await newToken("one"), await newToken("other")];
  const [ends, stays] = [await openSocket(one.header), await openSocket(other.header)];
  await gateway.store.removeToken(one.id);
  await until(ends.isEnded, "the end", limitMs);
  await stays.says("still here");
  stays.socket.destroy();
});

test("an event stream ends with the token that opened it; others go on", async () => {
  await gateway.route({ port, access: signedIn });
  const [one, other] = [await newToken("reader"), await newToken("another")];
  const [ends, stays] = [await openStream(one.header), await openStream(other.header)];
  await gateway.store.removeToken(one.id);
  await until(ends.isOver, "the end", limitMs);
  assert.equal(ends.response.complete, false, "it does not look whole");
  const before = stays.events();
  await until(() => stays.events() > before + 2, "more events");
  assert.equal(stays.isOver(), false);
  stays.response.destroy();
});

test("a sign-out ends the connections of the session's hosts", async () => {
  await gateway.route({ port, access: signedIn });
  const [parent, own] = [mintSecret(), mintSecret()];
  const later = new Date(Date.now() + 60_000);
  await gateway.store.addUser({ name: "ada", role: "viewer", groups: [] });
  const subject = { kind: "user", name: "ada" } as const;
  await gateway.store.addSession({ hash: parent.hash, subject, expiresAt: later, endsAt: later });
  await gateway.store.addHostSession({ hash: own.hash, host: "ranker", parent: parent.hash }, new Date(), later);
  const opened = await openSocket(`Cookie: ${gateway.access.cookies.session}=${own.secret.reveal()}`);
  await opened.says("here");
  await gateway.store.removeSessionFamily(parent.hash);
  await until(opened.isEnded, "the end", limitMs);
});

test("a route's access that becomes narrower ends whoever it keeps out; a new revision ends nobody", async () => {
  await gateway.route({ port, access: open });
  const searcher = await newToken("searcher", ["search"]);
  const [nobody, member, webhook] = [
    await openSocket(),
    await openSocket(searcher.header),
    await openSocket("", "/in"),
  ];
  await gateway.route({ port: 1, access: open });
  await sleep(300);
  await nobody.says("on the old revision");
  const narrow = { visibility: "viewers", viewers: ["group:search"], public: ["/in"] } as const;
  await gateway.route({ port, access: narrow });
  await until(nobody.isEnded, "the end", limitMs);
  await member.says("let in");
  await webhook.says("public");
  await gateway.route({ port, access: { ...narrow, viewers: ["group:shop"] } });
  await until(member.isEnded, "the end", limitMs);
  await webhook.says("public still");
  webhook.socket.destroy();
});
