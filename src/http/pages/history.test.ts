import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp } from "../../../test/support/http-app.ts";
import { sampleWorld } from "../../../test/support/sample-world.ts";

/** Numbers that the page offers to go back to, and those that it calls live. */
async function shown(path: string) {
  const world = sampleWorld();
  const production = world.snapshots["shop/production"] ?? [];
  // What number 6 was is what runs now; 7 was deleted; 8, which most follow, could be gone back to.
  world.snapshots["shop/production"] = production.map((one) => ({
    ...one,
    live: one.number === 6,
    deleted: one.number === 7,
  }));
  const text = await (await makeTestApp({ world }).browse("jon", path)).text();
  const offered = [...text.matchAll(/name="to" value="(\d+)"/g)].map(([, number]) => Number(number));
  return { offered, marks: [...text.matchAll(/class="mark">(\w+)/g)].map(([, mark]) => mark) };
}

test("an environment's page offers to go back to what is neither live nor gone, and says what is live", async () => {
  assert.deepEqual(await shown("/environments/shop/production"), { offered: [8, 5, 4], marks: ["active", "live"] });
});

test("so does a deployment's", async () => {
  assert.deepEqual(await shown("/deployments/shop/production/ranker"), {
    offered: [8, 5, 4],
    marks: ["active", "live"],
  });
});
