import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { webDoor } from "../../../../test/support/doors.ts";
import { makeKnock } from "./knock.ts";
import { probeDoors } from "./probe.ts";
import type { Reply } from "./verdict.ts";

const doorkeeper = { name: "the entrance", ifOpen: "Look at A", ifSilent: "Look at B", againAfterMs: 300_000 };
const refused: Reply = { status: 401, location: null, refusal: "web" };
const other = (status: number): Reply => ({ status, location: null, refusal: null });

/** Answers one after another, the last one again and again; waits as nobody's time passes. */
function makeWorld(replies: readonly (Reply | Error)[], timeoutMs = 10_000) {
  let nowMs = 0;
  const pauses: number[] = [];
  let asked = 0;
  const parts = {
    probe: { url: "http://10.0.0.9", timeoutMs },
    doorkeeper,
    knock: async (): Promise<Reply> => {
      const reply = replies[Math.min(asked, replies.length - 1)];
      asked += 1;
      if (!reply || reply instanceof Error) throw reply ?? new Error("no reply");
      return reply;
    },
    clock: {
      now: () => new Date(nowMs),
      sleep: async (delayMs: number, signal?: AbortSignal) => {
        signal?.throwIfAborted();
        pauses.push(Math.round(delayMs));
        nowMs += delayMs;
      },
    },
  };
  const probe = (signal = new AbortController().signal) => probeDoors(parts, [webDoor], signal);
  return { probe, pauses, asked: () => asked };
}

test("a host that comes up late is asked ever less often, until it refuses", async () => {
  const world = makeWorld([other(404), new Error("ECONNREFUSED"), other(401), other(503), refused]);
  await world.probe();
  assert.deepEqual(world.pauses, [100, 150, 225, 338]);
});

test("who lets nobody in is told at once, with what was found", async () => {
  const world = makeWorld([other(404), other(200)]);
  await assert.rejects(world.probe(), {
    code: "ENTRANCE_OPEN",
    message:
      "https://web.apps.example.org/: asked without an identity by http://10.0.0.9, the entrance answered 200, where a " +
      "refusal by Waybill was wanted. Nothing leads there until the next deploy. Look at A",
  });
  assert.equal(world.asked(), 2);
});

test("who never asks Waybill is given up on in time, and an abort ends the waiting", async () => {
  const world = makeWorld([other(404)], 5_000);
  await assert.rejects(world.probe(), {
    code: "ENTRANCE_SILENT",
    message: /answered 404, and did not refuse .* 5 s\. .* while it is asked again: after 5 minutes, .*Look at B$/,
    retryAfterMs: 300_000,
  });
  assert.ok(world.pauses.reduce((sum, pause) => sum + pause, 0) <= 5_000);
  const aborted = new AbortController();
  aborted.abort(new Error("another one comes"));
  await assert.rejects(makeWorld([new Error("x")]).probe(aborted.signal), /another one comes/);
});

test("it asks as a browser with no credential, at the entrance's address, for the deployment's host", async () => {
  const seen: unknown[] = [];
  const server = createServer((request, response) => {
    const { host, cookie, authorization, accept } = request.headers;
    seen.push([request.method, request.url, host, cookie, authorization, accept]);
    response.writeHead(302, { location: "/.waybill/sign-in", "x-waybill-refusal": "web" }).end("go");
  });
  after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const reply = await makeKnock()(webDoor, `http://127.0.0.1:${port}`, new AbortController().signal);
  assert.deepEqual(reply, { status: 302, location: "/.waybill/sign-in", refusal: "web" });
  assert.deepEqual(seen, [["GET", "/", "web.apps.example.org", undefined, undefined, "text/html"]]);
});
