import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../core/secret.ts";
import { makeAttempts } from "./attempts.ts";
import { makeCookies } from "./cookie.ts";
import { isGood, presentedBy, type Credential } from "./credential.ts";
import { isForged } from "./forgery.ts";
import { makePasswords } from "./password.ts";
import { hashOf, isToken, mintSecret, mintToken } from "./token.ts";

const local = makeCookies({ scheme: "http", domain: "localhost:8080" });
const secure = makeCookies({ scheme: "https", domain: "apps.example.org" });

test("a token says by itself that it is whole, and shows itself to nobody", () => {
  const { secret, hash } = mintToken();
  const value = secret.reveal();
  assert.match(value, /^wb_[\w-]{49}$/);
  assert.equal(hashOf(value), hash);
  assert.ok(isToken(value));
  const mistyped = value.slice(0, 10) + (value[10] === "a" ? "b" : "a") + value.slice(11);
  assert.ok(!isToken(mistyped) && !isToken(value.slice(1)) && !isToken(`${value}x`) && !isToken(""));
  assert.ok(!JSON.stringify({ secret }).includes(value));
});

test("cookies belong to one host, over https to that host alone", () => {
  const set = "__Host-waybill_session=v; Max-Age=9; Path=/; HttpOnly; SameSite=Lax; Secure";
  assert.equal(secure.set(secure.session, "v", 9), set);
  assert.equal(local.set(local.session, "v", 9), "waybill_session_8080=v; Max-Age=9; Path=/; HttpOnly; SameSite=Lax");
  assert.match(local.clear(local.session), /^waybill_session_8080=; Max-Age=0; /);
});

test("our cookies are read and taken out among any others", () => {
  const header = 'a=1;waybill_session_8080=x ; waybill_session_80=no; b="q;; =; waybill_session_8080=y';
  assert.deepEqual(local.read(header, local.session), ["x", "y"]);
  assert.equal(local.without(header), 'a=1; waybill_session_80=no; b="q; =');
  assert.equal(local.without("waybill_session_8080=x"), null);
  assert.deepEqual(local.read(undefined, local.session), []);
  assert.ok(local.isOurs("waybill_session_8080=evil; Domain=localhost") && !local.isOurs("x=waybill_session_8080"));
});

test("what a request presents: cookies, and a token in each of its forms", () => {
  const { secret, hash } = mintToken();
  const value = secret.reveal();
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;
  for (const authorization of [
    `token ${value}`,
    `Token  ${value}`,
    `BEARER ${value}`,
    basic(`git:${value}`),
    basic(`:${value}`),
  ]) {
    const { token } = presentedBy({ authorization }, local);
    assert.deepEqual(token, { hash, isWaybills: true, isWhole: true }, authorization);
  }
  assert.equal(presentedBy({ authorization: "Bearer app-token" }, local).token?.isWaybills, false);
  assert.equal(presentedBy({ authorization: "Bearer wb_x" }, local).token?.isWhole, false);
  for (const authorization of ["", "Bearer", "Bearer ", "Digest x", basic("git"), basic("git:"), "Basic %%%", value]) {
    assert.equal(presentedBy({ authorization }, local).token, null, authorization);
  }
  const many = Array.from({ length: 50 }, (_, index) => `${local.session}=${index}`).join(";");
  assert.equal(presentedBy({ cookie: many }, local).sessions.length, 3);
});

test("a session is good on its host until it expires, a token everywhere", () => {
  const now = new Date("2026-01-01T00:00:00Z");
  const identity = { name: "ada", kind: "user", role: "member", groups: [] } as const;
  const session: Credential = {
    hash: "h",
    kind: "session",
    identity,
    host: "ranker",
    expiresAt: new Date(now.getTime() + 1),
    endsAt: null,
  };
  assert.ok(isGood(session, "ranker", now));
  assert.ok(!isGood(session, "other", now) && !isGood(session, null, now));
  assert.ok(!isGood(session, "ranker", new Date(now.getTime() + 1)));
  assert.ok(!isGood({ ...session, host: null }, "ranker", now));
  assert.ok(isGood({ ...session, kind: "token", host: null, expiresAt: null }, "ranker", now));
});

test("which requests a cookie does not speak for", () => {
  const host = "ranker.localhost:8080";
  const post = { method: "POST", host };
  assert.equal(isForged(post), false);
  assert.equal(isForged({ ...post, origin: "http://ranker.localhost:8080" }), false);
  assert.equal(isForged({ ...post, host: "a.example", origin: "https://a.example:443" }), false);
  assert.equal(isForged({ ...post, host: "a.example:443", origin: "https://a.example" }), false);
  assert.equal(isForged({ ...post, origin: "http://ranker.localhost:9090" }), true);
  assert.equal(isForged({ ...post, origin: "http://localhost:8080" }), true);
  assert.equal(isForged({ ...post, origin: "null" }), true);
  assert.equal(isForged({ ...post, origin: "http://ranker.localhost:8080", secFetchSite: "cross-site" }), true);
  assert.equal(isForged({ ...post, secFetchSite: "none" }), false);
  assert.equal(isForged({ method: "GET", host, secFetchSite: "cross-site" }), false);
  assert.equal(isForged({ method: "GET", isUpgrade: true, host, origin: "https://evil.example" }), true);
  assert.equal(isForged({ method: "get", host, origin: "https://evil.example" }), false);
});

test("waits double with each failure, end, and are forgotten; ever new names fill no memory", () => {
  let nowMs = 0;
  const attempts = makeAttempts({ now: () => new Date(nowMs) }, 3);
  const waits: number[] = [];
  for (let index = 0; index < 14; index += 1) {
    attempts.failed(["ada"]);
    waits.push(attempts.delayMs(["ada"]) / 1000);
    nowMs += attempts.delayMs(["ada"]);
  }
  assert.deepEqual(waits, [0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  assert.equal(attempts.delayMs(["ada", "bob"]), 0);
  nowMs += 16 * 60_000;
  attempts.failed(["ada"]);
  assert.equal(attempts.delayMs(["ada"]), 0, "forgotten");
  for (let index = 0; index < 20_000; index += 1) attempts.failed([`name-${index}`]);
  attempts.failed(["eve", "eve", "eve"]);
  assert.equal(attempts.delayMs(["eve"]), 2_000);
  attempts.undo(["eve"]);
  assert.equal(attempts.delayMs(["eve"]), 0);
});

test("passwords: right, wrong, none and garbage; too many at once are turned away", async () => {
  const passwords = makePasswords(() => new Error("overloaded"));
  const stored = await passwords.hash(new Secret("caf\u00e9 au lait"));
  assert.match(stored, /^scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}$/);
  assert.equal(await passwords.verify(new Secret("cafe\u0301 au lait"), stored), true);
  assert.equal(await passwords.verify(new Secret("cafe au lait"), stored), false);
  assert.equal(await passwords.verify(new Secret("x"), null), false);
  assert.equal(await passwords.verify(new Secret(""), "md5$x"), false);
  const tries = Array.from({ length: 60 }, () => passwords.verify(new Secret("x"), "scrypt$2$1$1$AA$AA"));
  const refused = (await Promise.allSettled(tries)).filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 8);
  assert.equal(mintSecret().secret.reveal().length, 43);
});
