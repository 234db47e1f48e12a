import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { open, startGateway, type GatewayUnderTest } from "./support/gateway.ts";

let gateway: GatewayUnderTest;
const folder = mkdtempSync(join(tmpdir(), "waybill-site-"));
const site = join(folder, "site");

before(async () => {
  mkdirSync(join(site, "docs"), { recursive: true });
  mkdirSync(join(site, ".git"));
  mkdirSync(join(site, ".well-known"));
  mkdirSync(join(site, "empty"));
  mkdirSync(join(folder, "site-beside"));
  for (const [name, text] of [
    ["index.html", "<h1>home</h1>"],
    ["app.js", "let a = 1;"],
    ["docs/index.html", "<h1>docs</h1>"],
    ["a b?c#d.txt", "odd name"],
    [".well-known/security.txt", "Contact: us"],
    [".well-known/.hidden", "secret"],
    [".env", "secret"],
    [".git/config", "secret"],
    ["../outside.txt", "secret"],
    ["../site-beside/x.txt", "secret"],
  ] as const) {
    writeFileSync(join(site, name), text);
  }
  symlinkSync("../outside.txt", join(site, "link.txt"));
  symlinkSync("..", join(site, "up"));
  symlinkSync("../site-beside", join(site, "beside"));
  symlinkSync("app.js", join(site, "same.js"));
  gateway = await startGateway();
  await gateway.route({ upstream: { kind: "files", folder: site, spa: false }, access: open });
  await gateway.route({ host: "spa", upstream: { kind: "files", folder: site, spa: true }, access: open });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test("files with their types, folders by their index, links within the folder", async () => {
  const home = await gateway.ask({ path: "/" });
  assert.deepEqual(
    [home.status, home.body, home.headers["content-type"]],
    [200, "<h1>home</h1>", "text/html; charset=utf-8"],
  );
  assert.match(String((await gateway.ask({ path: "/app.js?v=1" })).headers["content-type"]), /javascript/);
  assert.equal((await gateway.ask({ path: "/docs/" })).body, "<h1>docs</h1>");
  assert.equal((await gateway.ask({ path: "/a%20b%3Fc%23d.txt" })).body, "odd name");
  assert.equal((await gateway.ask({ path: "/same.js" })).body, "let a = 1;");
  assert.equal((await gateway.ask({ path: "/.well-known/security.txt" })).body, "Contact: us");
  const slash = await gateway.ask({ path: "/docs?x=//y" });
  assert.deepEqual([slash.status, slash.headers.location], [301, "/docs/?x=//y"]);
  assert.equal((await gateway.ask({ path: "//docs" })).headers.location, "/docs/");
});

test("conditional requests, ranges, HEAD and methods", async () => {
  const first = await gateway.ask({ path: "/app.js" });
  const tag = String(first.headers.etag);
  assert.match(tag, /^"[\w-]{27}"$/);
  assert.match(String(first.headers["x-request-id"]), /^[0-9a-f]{24}$/);
  assert.equal(first.headers["last-modified"], undefined);
  assert.equal((await gateway.ask({ path: "/app.js", headers: { "if-none-match": tag } })).status, 304);
  assert.notEqual((await gateway.ask({ path: "/same.js" })).headers.etag, tag);
  const range = await gateway.ask({ path: "/app.js", headers: { range: "bytes=4-4" } });
  assert.deepEqual([range.status, range.body, range.headers["content-range"]], [206, "a", "bytes 4-4/10"]);
  assert.equal((await gateway.ask({ path: "/app.js", headers: { range: "bytes=99-" } })).status, 416);
  const head = await gateway.ask({ path: "/app.js", method: "HEAD" });
  assert.deepEqual([head.status, head.headers["content-length"], head.body], [200, "10", ""]);
  const post = await gateway.ask({ path: "/app.js", method: "POST", body: "x" });
  assert.deepEqual([post.status, post.headers.allow], [405, "GET, HEAD"]);
});

for (const path of [
  "/.env",
  "/.git/config",
  "/%2eenv",
  "/.well-known/.hidden",
  "/docs/../.env",
  "/../outside.txt",
  "/..%2foutside.txt",
  "/%2e%2e/outside.txt",
  "/docs/%2e%2e/%2e%2e/outside.txt",
  "/..%5coutside.txt",
  "/link.txt",
  "/up/outside.txt",
  "/up/site/app.js%00",
  "/beside/x.txt",
  "/../site-beside/x.txt",
  "/app.js/",
  "/empty/",
  "/empty",
  "/none",
  "/%",
  "/%ff",
  `/${"a".repeat(5_000)}`,
]) {
  test(`not served: ${path.slice(0, 60)}`, async () => {
    const answer = await gateway.ask({ path });
    assert.deepEqual([answer.status, JSON.parse(answer.body).code], [404, "NOT_FOUND"]);
  });
}

test("an application that routes in the browser gets its page for every address, and no page for a missing file", async () => {
  const host = `spa.localhost:${gateway.port}`;
  const page = await gateway.ask({ host, path: "/customers/7", headers: { accept: "text/html" } });
  assert.deepEqual([page.status, page.body], [200, "<h1>home</h1>"]);
  assert.equal((await gateway.ask({ host, path: "/missing.js", headers: { accept: "*/*" } })).status, 404);
});
