import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { replicaWorld, type ReplicaWorld } from "./support/replica-world.ts";
import { service, until, webProgram } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";

// Two servers on one database and one data folder: one acts, the other takes its place.

describe("two servers", { timeout: 180_000 }, () => {
  let world: ReplicaWorld;
  before(async () => {
    world = await replicaWorld();
  });
  after(() => world?.close());

  test("the one that waits serves by the one that acts, and takes its place when it is stopped", async () => {
    const one = await world.start("one");
    const two = await world.start("two");
    const work = await world.clone("shop", two);
    await work.write({ "deployments/web.yaml": service("web"), "web/main.js": webProgram("first") });
    await work.commit("first");
    await work.git("push", "--quiet", "origin", "main");
    assert.equal((await world.get(one, "web")).body, "first");
    assert.equal((await world.get(two, "web")).body, "first");
    const startedMs = performance.now();
    assert.equal(await one.stop(), 0);
    await until("the other one acts", () => pushes(two));
    assert.ok(performance.now() - startedMs < 10_000);
    await work.write({ "web/main.js": webProgram("second") });
    await work.commit("second");
    await work.git("push", "--quiet", "origin", "main");
    assert.equal((await world.get(one, "web")).body, "second");
    assert.equal(await world.programs(), 1);
  });
});

/** Whether what is for the server itself is answered by one. */
async function pushes({ port }: ServerProcess): Promise<boolean> {
  const { status } = await fetch(`http://localhost:${port}/healthz`);
  if (status !== 200) await sleep(50);
  return status === 200;
}
