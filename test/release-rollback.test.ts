import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { WaybillError } from "../src/core/errors.ts";
import { repositoryName } from "../src/core/names.ts";
import { ada, releaseWorld } from "./support/release-world.ts";
import { workingCopy, type WorkingCopy } from "./support/repository.ts";

// Going back goes to what worked: a snapshot whose deploy failed is passed over, unless it is named.

const production = { repository: "shop", environment: "production" };
const rollback = { ...production, to: null, only: null, note: "", actor: ada };

let world: Awaited<ReturnType<typeof releaseWorld>>;
let work: WorkingCopy;

beforeEach(async () => {
  world = await releaseWorld();
  await world.git.createHosted(repositoryName("shop"), "main");
  work = await workingCopy(join(world.folder, "work"));
  await work.git("remote", "add", "origin", join(world.folder, "shop.git"));
  world.deployer.behave = async ({ spec }) => {
    if (spec.kind === "worker" && spec.command === "broken") throw new WaybillError("WORKLOAD_FAILED", "it crashed");
  };
});

afterEach(() => world.close());

/** Commits both deployments with these commands, and waits until all is tried. */
async function push(web: string, api: string): Promise<string> {
  const file = (command: string) => `apiVersion: waybill/v1\nkind: worker\ncommand: ${command}\n`;
  await work.write({ "deployments/web.yaml": file(web), "deployments/api.yaml": file(api), change: `${web} ${api}` });
  const commit = await work.commit(`${web} ${api}`);
  await work.git("push", "--quiet", "origin", "main");
  await world.watcher.look("shop", { actor: "ada" });
  await world.settled();
  return commit;
}

test("a rollback passes over what had failed, and says so", async () => {
  const first = await push("one", "one");
  const second = await push("broken", "two");
  await push("three", "three");
  const only = await world.release.rollback({ ...rollback, only: "api", note: "wrong prices" });
  assert.deepEqual([only.commit, only.reason], [second, "wrong prices"], "api had not failed there");
  const made = await world.release.rollback(rollback);
  await world.settled();
  assert.equal(made.commit, first);
  assert.equal(made.reason, "passed over waybill/production/2, where web failed");
});

test("where all before had failed, none is chosen; the one that is named is gone back to", async () => {
  const first = await push("broken", "one");
  await push("two", "two");
  await assert.rejects(world.release.rollback(rollback), {
    code: "NOT_FOUND",
    message:
      "production has nothing before waybill/production/2 to go back to but waybill/production/1, where web failed: --to NUMBER goes there all the same: see waybill history production",
  });
  assert.equal((await world.release.rollback({ ...rollback, to: 1 })).commit, first);
});

test("what failed first and came up later at the same snapshot counts as good", async () => {
  const behave = world.deployer.behave;
  world.deployer.behave = async () => {
    throw new WaybillError("WORKLOAD_FAILED", "the database was away");
  };
  const first = await push("one", "one");
  world.deployer.behave = behave;
  for (const deployment of ["web", "api"]) await world.release.restart({ ...production, deployment, actor: ada });
  await world.settled();
  await push("two", "two");
  assert.equal((await world.release.rollback(rollback)).commit, first);
});

const ways: Readonly<Record<string, (commit: string) => Promise<unknown>>> = {
  "waybill rollback": () => world.release.rollback(rollback),
  "deleting the newest tag": () => work.git("push", "--quiet", "origin", ":refs/tags/waybill/production/5"),
  "a tag by hand on the older commit": (commit) =>
    work.git("push", "--quiet", "origin", `${commit}:refs/tags/waybill/production/6`),
};

/** What each deployment runs. */
async function running(): Promise<Record<string, string>> {
  const rows = await world.store.deployments(production);
  const commands = rows.map(({ stack, appliedWorkload }) => [stack.deployment, appliedWorkload?.spec]);
  return Object.fromEntries(
    commands.map(([name, spec]) => [name, spec && typeof spec === "object" && "command" in spec ? spec.command : ""]),
  ) as Record<string, string>;
}

for (const [way, goBack] of Object.entries(ways)) {
  test(`${way} returns to what was live, one deployment's own rollback included`, async () => {
    await push("one", "one");
    await push("two", "two");
    const third = await push("three", "three");
    await world.release.rollback({ ...rollback, only: "web" });
    await push("four", "four");
    await world.release.release({ ...production, actor: ada });
    await world.settled();
    assert.deepEqual(await running(), { api: "four", web: "four" });
    await goBack(third);
    await world.watcher.look("shop", { actor: "ada" });
    await world.settled();
    assert.deepEqual(await running(), { api: "three", web: "two" });
    await world.database.db.deleteFrom("repositories").execute();
    await world.release.rebuild();
    await world.settled();
    assert.deepEqual(await running(), { api: "three", web: "two" }, "rebuilt from Git");
    await world.release.rollback(rollback);
    await world.settled();
    assert.deepEqual(await running(), { api: "two", web: "two" });
  });
}

test("deleting the newest tag passes over what had failed, and says so", async () => {
  const first = await push("one", "one");
  await push("broken", "two");
  await push("three", "three");
  await work.git("push", "--quiet", "origin", ":refs/tags/waybill/production/3");
  await world.watcher.look("shop", { actor: "ada" });
  await world.settled();
  const [made] = await world.release.history(production);
  assert.deepEqual(
    [made?.commit, made?.reason],
    [first, "waybill/production/3 was deleted; passed over waybill/production/2, where web failed"],
  );
});

test("what is live already cannot be gone back to, whatever its tag", async () => {
  const first = await push("one", "one");
  await push("two", "two");
  const live = (await work.git("rev-parse", "--short=7", "HEAD")).trim();
  const message = (what: string, number: number): string =>
    `${what} is as it was at waybill/production/${number} already, on ${live}: there is nothing to take back. To keep it so: waybill hold production`;
  await assert.rejects(world.release.rollback({ ...rollback, to: 2 }), {
    code: "CONFLICT",
    message: message("production", 2),
  });
  await world.release.hold({ ...production, reason: "lunch", actor: ada });
  await assert.rejects(world.release.rollback({ ...rollback, to: 3 }), { message: message("production", 3) });
  await assert.rejects(world.release.rollback({ ...rollback, to: 2, only: "web" }), {
    message: message("web in production", 2),
  });
  assert.equal((await world.release.rollback({ ...rollback, only: "web" })).commit, first);
  await world.release.rollback({ ...rollback, to: 2 });
  await world.settled();
  assert.deepEqual(await running(), { api: "two", web: "two" });
  await world.release.rollback({ ...rollback, to: 4 });
  await world.settled();
  assert.deepEqual(await running(), { api: "two", web: "one" }, "as it was at that snapshot");
});

test("a tag by hand on a commit that is ahead of what is live goes forward, deployed before or not", async () => {
  const first = await push("one", "one");
  const second = await push("two", "two");
  await work.git("checkout", "--quiet", "-b", "other", first);
  await work.write({ change: "beside" });
  const beside = await work.commit("beside");
  const tag = async (number: number, commit: string) => {
    await work.git("push", "--quiet", "origin", `${commit}:refs/tags/waybill/production/${number}`);
    await world.watcher.look("shop", { actor: "ada" });
    const [environment] = await world.release.environments("shop");
    return environment?.hold?.reason ?? null;
  };
  assert.equal(await tag(3, first), "rolled back by waybill/production/3");
  assert.equal(await tag(4, second), null);
  assert.equal(await tag(5, beside), null, "on another branch, and new");
  assert.equal(await tag(6, second), "rolled back by waybill/production/6");
});

test("who pushed a tag is who authenticated; what the tag says counts where nobody did", async () => {
  await push("one", "one");
  const tag = "waybill/production/2";
  await work.git("tag", "--annotate", "--message", "forged\n\nWaybill-Actor: root", tag);
  await work.git("push", "--quiet", "origin", `refs/tags/${tag}:refs/tags/arriving`);
  const update = { ref: `refs/tags/${tag}`, before: null, after: (await work.git("rev-parse", tag)).trim() };
  const objects = await world.git.open(repositoryName("shop"));
  const bob = { ...ada, name: "bob", role: "member" as const };
  const pushed = { id: "1", repository: repositoryName("shop"), identity: bob, updates: [update], objects };
  assert.equal((await world.gate.check(pushed)).accept, true);
  await work.git("push", "--quiet", "origin", tag);
  // Somebody else's push may be what leads to the look.
  await world.watcher.look("shop", { actor: "ada" });
  assert.equal((await world.release.history(production))[0]?.actor, "bob");
  await world.database.db.deleteFrom("repositories").execute();
  await world.release.rebuild();
  assert.equal((await world.release.history(production))[0]?.actor, "root", "Git alone");
});
