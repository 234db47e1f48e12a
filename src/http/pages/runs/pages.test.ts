import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp } from "../../../../test/support/http-app.ts";
import { sampleWorld } from "../../../../test/support/sample-world.ts";

const path = "/deployments/shop/production/ranker";

/** The app with the ranker as a job. */
function makeJobApp() {
  const world = sampleWorld();
  world.deployments = world.deployments.map((one) => (one.name === "ranker" ? { ...one, kind: "job" } : one));
  return makeTestApp({ world });
}

test("a job's page shows its runs, its schedules and what comes; a viewer sees none of it", async () => {
  const { browse } = makeJobApp();
  const text = await (await browse("jon", path)).text();
  assert.match(text, /href="\/runs\/t1"/);
  assert.match(text, /<strong>nightly<\/strong>/);
  assert.match(text, /2026-03-05 02:00 UTC/);
  const viewed = await (await browse("vera", path)).text();
  assert.doesNotMatch(viewed, /nightly|\/runs/);
});

test("a schedule is paused with a reason, by whom is shown, and resumed", async () => {
  const { browse } = makeJobApp();
  const paused = await browse("jon", `${path}/schedules/nightly/pause`, { reason: "until the table is repaired" });
  assert.equal(paused.headers.get("location"), path);
  const text = await (await browse("jon", path)).text();
  assert.match(text, /Paused by jon[^]*until the table is repaired/);
  await browse("jon", `${path}/schedules/nightly/resume`, {});
  assert.doesNotMatch(await (await browse("jon", path)).text(), /Paused by jon/);
});
