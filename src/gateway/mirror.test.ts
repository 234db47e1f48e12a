import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Credential } from "../access/proof/credential.ts";
import { silentLog } from "../core/log.ts";
import type { Route } from "../targets/route.ts";
import { makeMirror, type StateSource } from "./mirror.ts";

const route = (host: string, port: number): Route => ({
  host,
  stack: { repository: "shop", environment: "production", deployment: host },
  access: { visibility: "public", viewers: [], public: [] },
  upstream: { kind: "http", hostname: "127.0.0.1", port, protocol: "http" },
});
const credential = (hash: string): Credential => ({
  hash,
  kind: "token",
  identity: { name: "ci", kind: "token", role: "member", groups: [] },
  host: null,
  expiresAt: null,
  endsAt: null,
});

/** A database of two maps, that answers after a moment and counts what it is asked. */
function makeSource() {
  const rows = { routes: new Map<string, Route>(), credentials: new Map<string, Credential>() };
  const asked: string[] = [];
  let isAway = false;
  async function read<Row>(from: Map<string, Row>, what: string, keys?: readonly string[]): Promise<Row[]> {
    asked.push(`${what} ${keys?.length ?? "all"}`);
    const wanted = keys ?? [...from.keys()];
    const answer = wanted.flatMap((key) => from.get(key) ?? []);
    await sleep(Math.random() * 5);
    if (isAway) throw new Error("away");
    return answer;
  }
  const source: StateSource = {
    routes: (hosts) => read(rows.routes, "routes", hosts),
    credentials: (hashes) => read(rows.credentials, "credentials", hashes),
    endpoint: () => Promise.resolve(null),
    recordUse: () => Promise.resolve(),
    recordActivity: () => Promise.resolve(),
    askWake: () => Promise.resolve(),
  };
  return { rows, asked, source, setAway: (away: boolean) => (isAway = away) };
}

test("many changes at once end at the last one, in few reads", async () => {
  const { rows, asked, source } = makeSource();
  const mirror = makeMirror({ source: () => source, log: silentLog });
  assert.equal(mirror.isLoaded(), false);
  await mirror.load();
  for (let port = 1; port <= 200; port += 1) {
    rows.routes.set("ranker", route("ranker", port));
    mirror.changed({ table: "routes", key: "ranker" });
    if (port % 20 === 0) await sleep(1);
  }
  await mirror.refreshRoutes([]);
  assert.deepEqual(mirror.hostsTo({ hostname: "127.0.0.1", port: 200 }), ["ranker"]);
  assert.ok(asked.length < 30, `${asked.length} reads`);
  rows.routes.delete("ranker");
  await mirror.refreshRoutes(["ranker"]);
  assert.equal(mirror.route("ranker"), null);
});

test("a thousand strangers cost the database one question at a time", async () => {
  const { rows, asked, source } = makeSource();
  const mirror = makeMirror({ source: () => source, log: silentLog });
  rows.credentials.set("good", credential("good"));
  const strangers = Array.from({ length: 1_000 }, (_, index) => mirror.ask(`stranger-${index}`));
  const answers = await Promise.all(strangers);
  assert.ok(answers.every((answer) => answer === null));
  assert.ok(asked.length <= 2, asked.join(", "));
  assert.equal((await mirror.ask("good"))?.identity.name, "ci");
});

test("what changed while the database was away is read when it is back; what was held stays meanwhile", async () => {
  const { rows, source, setAway } = makeSource();
  const mirror = makeMirror({ source: () => source, log: silentLog });
  rows.routes.set("ranker", route("ranker", 1));
  await mirror.load();
  let told = 0;
  const stop = mirror.onChange(() => (told += 1));
  setAway(true);
  rows.routes.set("ranker", route("ranker", 2));
  mirror.changed({ table: "routes", key: "ranker" });
  await assert.rejects(mirror.refreshRoutes(["ranker"]), /away/);
  assert.deepEqual(mirror.hostsTo({ hostname: "127.0.0.1", port: 1 }), ["ranker"]);
  setAway(false);
  await sleep(1_100);
  assert.deepEqual(mirror.hostsTo({ hostname: "127.0.0.1", port: 2 }), ["ranker"]);
  assert.equal(told, 1);
  stop();
});
