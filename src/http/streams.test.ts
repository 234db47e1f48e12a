import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { makeTestApp } from "../../test/support/http-app.ts";
import { Hono } from "hono";
import { listen } from "./listen.ts";

const logs = "/api/v1/repositories/shop/environments/production/deployments/web/logs";

/** Reads until the text holds what is waited for. */
async function readUntil(response: Response, wanted: RegExp): Promise<string> {
  assert.ok(response.body);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!wanted.test(text)) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}

test("a log is text, or a line of JSON each", async () => {
  const { call } = makeTestApp();
  const text = await (await call("jon", "GET", `${logs}?lines=2`)).text();
  assert.equal(
    text,
    "2026-03-04T10:15:02.000Z GET /products/42 200 31 ms\n2026-03-04T10:15:03.000Z GET /favicon.ico 404 1 ms\n",
  );
  const ndjson = await (await call("jon", "GET", `${logs}?format=ndjson&lines=1`)).text();
  assert.deepEqual(JSON.parse(ndjson), {
    at: "2026-03-04T10:15:03.000Z",
    stream: "stderr",
    text: "GET /favicon.ico 404 1 ms",
  });
  assert.equal((await call("jon", "GET", `${logs}?lines=10001`)).status, 400);
  assert.equal((await call("jon", "GET", `${logs}?format=xml`)).status, 400);
});

test("no line of a log moves a terminal's cursor", async () => {
  const { call, say } = makeTestApp();
  say({ at: "2026-03-04T10:15:09.000Z", stream: "stdout", text: "\u001B[2J\u009B1mgone\u0007\tkept ünïcode" });
  assert.equal(
    await (await call("jon", "GET", `${logs}?lines=1`)).text(),
    "2026-03-04T10:15:09.000Z [2J1mgone\tkept ünïcode\n",
  );
});

test("a followed log goes on, and ends with the reader", { timeout: 5000 }, async () => {
  const { call, say, stop } = makeTestApp();
  const response = await call("jon", "GET", `${logs}?follow=true&format=events&lines=1`);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  setTimeout(() => say({ at: "2026-03-04T10:16:00.000Z", stream: "stdout", text: "later" }), 20);
  const text = await readUntil(response, /later/);
  assert.match(
    text,
    /^: still here\n\nid: 1\nevent: line\ndata: \{.*favicon.*\}\n\nid: 2\nevent: line\ndata: \{.*later.*\}\n\n$/,
  );
  stop();
});

test("changes are told; a reader who comes back is told to read everything", { timeout: 5000 }, async () => {
  const { app, release, stop } = makeTestApp();
  const first = await app.request("/api/v1/events", { headers: { authorization: "Bearer anna" } });
  const event = { type: "deployment", repository: "shop", environment: "production", deployment: "web" } as const;
  setTimeout(() => release.emit(event), 20);
  assert.ok((await readUntil(first, /event: change/)).includes(JSON.stringify(event)));
  const back = await app.request("/api/v1/events", {
    headers: { authorization: "Bearer anna", "last-event-id": "garbage" },
  });
  assert.match(await readUntil(back, /everything/), /event: change\ndata: \{"type":"everything"\}/);
  stop();
});

test("a viewer hears of what it may see, and of nothing else", { timeout: 5000 }, async () => {
  const { app, release, stop } = makeTestApp();
  const response = await app.request("/api/v1/events", { headers: { authorization: "Bearer vera" } });
  setTimeout(() => {
    const place = { repository: "shop", environment: "production" };
    release.emit({ type: "repository", repository: "shop", environment: null, deployment: null });
    release.emit({ type: "deployment", ...place, deployment: "web" });
    release.emit({ type: "deployment", ...place, deployment: "ranker" });
  }, 20);
  const text = await readUntil(response, /ranker/);
  assert.equal(text.match(/event: change/g)?.length, 1);
  stop();
});

test("following a silent log begins at once, and is kept alive", { timeout: 5000 }, async () => {
  const { app, say, stop } = makeTestApp();
  const server = await listen(app, { port: 0, hostname: "127.0.0.1", graceMs: 100 });
  const url = `http://127.0.0.1:${server.port}${logs}?follow=true&lines=0&format=ndjson`;
  const response = await fetch(url, { headers: { authorization: "Bearer jon" } });
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  say({ at: "2026-03-04T10:16:00.000Z", stream: "stdout", text: "first" });
  assert.match(await readUntil(response, /first/), /^\n\{"at".*"first"\}\n$/);
  stop();
  await server.close();
});

test("closing ends streams at once and lets a request under way finish", { timeout: 5000 }, async () => {
  const { app, stop } = makeTestApp();
  const slow = new Hono().get("/slow", async (context) => {
    await sleep(150);
    return context.text("done");
  });
  slow.route("/", app);
  const server = await listen(slow, { port: 0, hostname: "127.0.0.1", graceMs: 3000 });
  const url = `http://127.0.0.1:${server.port}`;
  const stream = await fetch(`${url}/api/v1/events`, { headers: { authorization: "Bearer anna" } });
  const answered = fetch(`${url}/slow`).then((response) => response.text());
  await sleep(30);
  stop();
  const closedAt = Date.now();
  await Promise.all([server.close(), stream.text()]);
  assert.equal(await answered, "done");
  assert.ok(Date.now() - closedAt < 2000, "nothing had to be cut off");
  await assert.rejects(fetch(url));
});

test("members hear once of a job whose runs took steps, viewers never", { timeout: 5000 }, async () => {
  const { app, runs, release, stop } = makeTestApp();
  const listen = (person: string) => app.request("/api/v1/events", { headers: { authorization: `Bearer ${person}` } });
  const [member, viewer] = await Promise.all([listen("jon"), listen("vera")]);
  const last = { type: "deployment", repository: "shop", environment: "production", deployment: "ranker" } as const;
  setTimeout(() => {
    runs.tell({ attempt: 2 });
    runs.tell({ attempt: 3 });
  }, 20);
  setTimeout(() => release.emit(last), 300);
  const heard = await readUntil(member, /"deployment"/);
  assert.equal(heard.match(/"type":"run"/g)?.length, 1, heard);
  assert.doesNotMatch(await readUntil(viewer, /"deployment"/), /"type":"run"/);
  stop();
});

test("the log of a run that has ended says so, and nobody need come back for more", { timeout: 5000 }, async () => {
  const { call, stop } = makeTestApp();
  const text = await (await call("jon", "GET", "/api/v1/runs/t1/logs?format=events&follow=true")).text();
  assert.match(text, /event: line\ndata: .*epoch 1.*\n\nid: 2\nevent: end\ndata: \{\}\n\n$/);
  stop();
});
