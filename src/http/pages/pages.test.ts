import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp } from "../../../test/support/http-app.ts";

test("what a page shows is escaped", async () => {
  const { browse, release } = makeTestApp();
  const evil = `<script>alert(1)</script>"'`;
  release.world.deployments = release.world.deployments.map((one) => ({
    ...one,
    reason: evil,
    description: evil,
    tags: { team: evil },
  }));
  for (const path of [
    "/",
    "/deployments/shop/production/ranker",
    `/?environment=${encodeURIComponent(evil)}`,
    `/${encodeURIComponent(evil)}`,
  ]) {
    const text = await (await browse("anna", path)).text();
    assert.doesNotMatch(text, /<script>alert/, path);
  }
  assert.doesNotMatch(
    await (await browse(null, `/sign-in?return=${encodeURIComponent(evil)}&state="><script>alert`)).text(),
    /<script>alert/,
  );
});

test("a form leads back to our own pages only", async () => {
  const { browse } = makeTestApp();
  const act = async (back: string): Promise<string | null> =>
    (await browse("jon", "/deployments/shop/production/web/restart", { return: back })).headers.get("location");
  assert.equal(await act("/?show=paused"), "/?show=paused");
  for (const evil of [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "",
  ]) {
    assert.equal(await act(evil), "/deployments/shop/production/web", evil);
  }
});

test("a deployment's page tells its own history, an environment's page everybody's", async () => {
  const { browse } = makeTestApp();
  const own = await (await browse("jon", "/deployments/shop/production/mailer")).text();
  assert.match(own, /create <strong>mailer<\/strong>/);
  assert.doesNotMatch(own, /<strong>ranker<\/strong>/);
  const all = await (await browse("jon", "/environments/shop/production")).text();
  assert.match(all, /create <strong>mailer<\/strong>[^]*replace <strong>ranker<\/strong>/);
});
