import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { makeAccess, type Access } from "../src/access/access.ts";
import type { AccessStore } from "../src/access/account.ts";
import { mintSecret } from "../src/access/proof/token.ts";
import type { Clock } from "../src/core/clock.ts";
import type { Identity } from "../src/core/identity.ts";
import { silentLog } from "../src/core/log.ts";
import { Secret } from "../src/core/secret.ts";
import { makeAccessStore } from "../src/store/access.ts";
import type { OpenDatabase } from "../src/store/database.ts";
import { until } from "./support/gateway.ts";
import { testDatabase } from "./support/postgres.ts";

const dayMs = 24 * 60 * 60 * 1000;
const host = "localhost:8080";
const origin = { scheme: "http", domain: host } as const;
const operator: Identity = { name: "operator", kind: "token", role: "admin", groups: [] };

let database: OpenDatabase;
let store: AccessStore;
let nowMs = 0;
const clock: Clock = { now: () => new Date(nowMs), sleep: () => Promise.resolve() };
const make = (bootstrapToken: Secret | null = null): Promise<Access> =>
  makeAccess({ store, clock, log: silentLog, origin, bootstrapToken });

before(async () => {
  database = await testDatabase();
  store = makeAccessStore(database.db);
});
beforeEach(() => {
  nowMs = Date.now();
});
after(() => database.close());

const linkOf = (url: Secret | null): Secret =>
  new Secret(new URL(url?.reveal() ?? "http://x").searchParams.get("token") ?? "");
const cookieOf = (setCookie: readonly string[]): string => setCookie[0]?.split(";")[0] ?? "";

test("the first administrator comes by a link that the operator alone sees, within an hour", async () => {
  const access = await make();
  const url = await access.firstAdministratorLink();
  assert.match(url?.reveal() ?? "", /^http:\/\/localhost:8080\/sign-in\/link\?token=[\w-]{43}$/);
  const step = { link: linkOf(url), returnTo: null, state: null };
  nowMs += 61 * 60_000;
  await assert.rejects(access.redeemLink(step), { code: "SIGN_IN_FAILED" });
  const link = linkOf(await access.firstAdministratorLink());
  const { setCookie, location } = await access.redeemLink({ ...step, link });
  assert.equal(location, "/");
  const identity = await access.authenticate(new Headers({ cookie: cookieOf(setCookie) }), host, "GET");
  assert.deepEqual(identity, { name: "admin", kind: "user", role: "admin", groups: [] });
  assert.equal(await access.firstAdministratorLink(), null);
});

test("the operator's token: long enough, an administrator's, gone when it is set no more", async () => {
  await assert.rejects(make(new Secret("short")), { code: "SETTINGS_INVALID", message: /at least 32 .* has 5/ });
  await assert.rejects(make(new Secret(`${"x".repeat(31)} x`)), { code: "SETTINGS_INVALID" });
  const [one, two] = ["1".repeat(32), "2".repeat(40)];
  const who = async (access: Access, token: string): Promise<string | null> =>
    (await access.authenticate(new Headers({ authorization: `Bearer ${token}` }), host))?.name ?? null;
  const first = await make(new Secret(one));
  assert.equal(await who(first, one), "bootstrap");
  const second = await make(new Secret(two));
  assert.deepEqual([await who(second, one), await who(second, two)], [null, "bootstrap"]);
  const third = await make(null);
  assert.equal(await who(third, two), null);
});

test("a session lasts while it is used, for 30 days at most; its hosts' sessions keep it alive and end with it", async () => {
  const access = await make();
  const { url } = await access.invite(operator, { user: "ada", role: "member" });
  const { setCookie } = await access.redeemLink({ link: linkOf(url), returnTo: null, state: null });
  const headers = new Headers({ cookie: cookieOf(setCookie) });
  const isIn = async (): Promise<boolean> => (await access.authenticate(headers, host, "GET")) !== null;
  const [hash = ""] = (
    await database.db.selectFrom("sessions").select("hash").where("user_name", "=", "ada").execute()
  ).map((row) => row.hash);
  const expiry = async (): Promise<number> => (await store.credentials([hash]))[0]?.expiresAt?.getTime() ?? 0;
  const own = mintSecret();
  assert.ok(
    await store.addHostSession({ hash: own.hash, host: "ranker", parent: hash }, clock.now(), new Date(nowMs + dayMs)),
  );
  for (let day = 6; day <= 24; day += 6) {
    nowMs += 6 * dayMs;
    assert.ok(await isIn(), `after ${day} days`);
    await until(async () => (await expiry()) >= nowMs + 5 * dayMs, "the use is written down");
  }
  nowMs += 7 * dayMs;
  assert.equal(await isIn(), false, "after 31 days");
  await access.sweep();
  assert.deepEqual(await store.credentials([hash, own.hash]), []);

  const again = await access.invite(operator, { user: "ada" });
  const second = await access.redeemLink({ link: linkOf(again.url), returnTo: null, state: null });
  nowMs += 8 * dayMs;
  const stale = new Headers({ cookie: cookieOf(second.setCookie) });
  assert.equal(await access.authenticate(stale, host, "GET"), null, "unused for a week");
});

test("authenticate judges by the method, takes tokens in every form, and prefers none over a wrong one", async () => {
  const access = await make();
  const { url } = await access.invite(operator, { user: "eve", role: "viewer" });
  const { setCookie } = await access.redeemLink({ link: linkOf(url), returnTo: null, state: null });
  const evil = new Headers({ cookie: cookieOf(setCookie), origin: "https://evil.example" });
  assert.equal(await access.authenticate(evil, host), null, "without a method it counts as changing something");
  assert.equal(await access.authenticate(evil, host, "POST"), null);
  assert.equal((await access.authenticate(evil, host, "GET"))?.name, "eve");
  const { secret } = await access.createToken(
    { name: "eve", kind: "user", role: "viewer", groups: [] },
    { name: "git" },
  );
  const basic = `Basic ${btoa(`anything:${secret.reveal()}`)}`;
  const identity = await access.authenticate(new Headers({ authorization: basic }), host, "POST");
  assert.deepEqual(identity, { name: "eve", kind: "token", role: "viewer", groups: [] });
  assert.equal(await access.authenticate(new Headers({ authorization: "Bearer x" }), host, "GET"), null);
  assert.equal(await access.authenticate(new Headers(), host, "GET"), null);
});

test("who may manage what", async () => {
  const access = await make();
  const member: Identity = { name: "bob", kind: "user", role: "member", groups: [] };
  const forbidden = { code: "FORBIDDEN" };
  await assert.rejects(access.listUsers(member), forbidden);
  await assert.rejects(access.invite(member, { user: "x" }), forbidden);
  await assert.rejects(access.changeUser(member, "bob", { role: "admin" }), forbidden);
  await assert.rejects(access.removeUser(member, "eve"), forbidden);
  await assert.rejects(access.setPassword(member, "eve", new Secret("long enough it is")), forbidden);
  await assert.rejects(
    access.setPassword({ ...member, kind: "token", name: "eve" }, "eve", new Secret("x")),
    forbidden,
  );
  await assert.rejects(access.setPassword(operator, "eve", new Secret("short")), { code: "REQUEST_INVALID" });
  await assert.rejects(access.setPassword(operator, "nobody", new Secret("long enough it is")), { code: "NOT_FOUND" });
  await assert.rejects(access.invite(operator, { user: "Not A Name\n" }), { code: "REQUEST_INVALID" });
  await assert.rejects(access.invite(operator, { user: "x", groups: ["a,b"] }), { code: "REQUEST_INVALID" });
  await access.createToken(operator, { name: "robot", isService: true });
  await assert.rejects(access.revokeToken(operator, "not-an-id"), { code: "NOT_FOUND" });
});
