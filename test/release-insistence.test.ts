import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import { repositoryName } from "../src/core/names.ts";
import type { Push } from "../src/intake/push-gate.ts";
import { ada, releaseWorld } from "./support/release-world.ts";
import { workingCopy, type WorkingCopy } from "./support/repository.ts";
import { service, until } from "./support/served.ts";

let world: Awaited<ReturnType<typeof releaseWorld>>;
let work: WorkingCopy;

before(async () => {
  world = await releaseWorld();
  await world.git.createHosted(repositoryName("shop"), "main");
  work = await workingCopy(join(world.folder, "work"));
  await work.git("remote", "add", "origin", join(world.folder, "shop.git"));
});

afterEach(() => world.close());

async function follow(): Promise<readonly string[]> {
  const objects = await world.git.open(repositoryName("shop"));
  const push: Push = { id: "1", repository: repositoryName("shop"), identity: ada, updates: [], objects };
  const lines: string[] = [];
  for await (const line of world.gate.follow(push, AbortSignal.timeout(30_000))) lines.push(line);
  return lines;
}

test("a push whose look fails is looked at again, without another push", async () => {
  await work.write({ "deployments/web.yaml": service("web"), "web/main.js": "1" });
  await work.commit("first");
  await work.git("push", "--quiet", "origin", "main");
  await world.database.pool.query("alter table environments rename to away");
  await assert.rejects(follow(), /environments/);
  await assert.rejects(follow(), /environments/, "the next one as well");
  await world.database.pool.query("alter table away rename to environments");
  await until("the deployment", () => world.deployer.running.has("shop/production/web"));
  assert.equal((await world.release.history({ repository: "shop", environment: "production" })).length, 1);
  assert.match((await follow()).join("\n"), /nothing to do: everything is as it should be/);
});
