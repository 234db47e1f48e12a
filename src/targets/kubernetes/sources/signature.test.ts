import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSourceUrls, type Grant } from "./signature.ts";

let now = Date.UTC(2026, 0, 1);
const clock = { now: () => new Date(now), sleep: () => Promise.resolve() };
const urls = makeSourceUrls({ masterKey: Buffer.alloc(32, 1), clock });
const grant: Grant = { method: "GET", repository: "shop", key: "a".repeat(40) };
const queryOf = (path: string): URLSearchParams => new URL(path, "http://x").searchParams;

test("an address is good for what it was signed for, until it expires", () => {
  const path = urls.sign(grant, new Date(now + 60_000));
  assert.match(path, /^\/source\/shop\/a{40}\.tar\.gz\?expires=1767225660&signature=[\w-]{43}$/);
  urls.verify(grant, queryOf(path));
  const others: readonly Grant[] = [
    { ...grant, method: "PUT" },
    { ...grant, repository: "shop2" },
    { ...grant, key: "b".repeat(40) },
  ];
  for (const other of others) assert.throws(() => urls.verify(other, queryOf(path)), { code: "FORBIDDEN" });
  const later = queryOf(path);
  later.set("expires", "1767999999");
  assert.throws(() => urls.verify(grant, later), /not signed by this server/);
  assert.throws(() => urls.verify(grant, new URLSearchParams()), { code: "FORBIDDEN" });
  const stranger = makeSourceUrls({ masterKey: Buffer.alloc(32, 2), clock });
  assert.throws(() => stranger.verify(grant, queryOf(path)), { code: "FORBIDDEN" });
  now += 61_000;
  assert.throws(() => urls.verify(grant, queryOf(path)), /no longer good/);
});

test("what is no key is refused even when signed", () => {
  const odd: Grant = { ...grant, key: "../../etc" };
  assert.throws(() => urls.verify(odd, queryOf(urls.sign(odd, new Date(now + 1000)))), { code: "FORBIDDEN" });
});
