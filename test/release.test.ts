import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { repositoryName } from "../src/core/names.ts";
import { stackKey } from "../src/core/stack.ts";
import { ada, releaseWorld } from "./support/release-world.ts";
import { workingCopy, type WorkingCopy } from "./support/repository.ts";
import { until } from "./support/served.ts";

const production = { repository: "shop", environment: "production" };

let world: Awaited<ReturnType<typeof releaseWorld>>;
let work: WorkingCopy;

beforeEach(async () => {
  world = await releaseWorld();
  await world.git.createHosted(repositoryName("shop"), "main");
  work = await workingCopy(join(world.folder, "work"));
  await work.git("remote", "add", "origin", join(world.folder, "shop.git"));
});

afterEach(() => world.close());

const service = (name: string, extra = ""): Record<string, string> => ({
  [`deployments/${name}.yaml`]: `apiVersion: waybill/v1\nkind: service\nsource: {path: ${name}}\ncommand: node main.js\n${extra}`,
});

/** Commits files, pushes, looks, and waits until all is applied. */
async function push(files: Record<string, string>, message = "change"): Promise<string> {
  await work.write(files);
  const commit = await work.commit(message);
  await work.git("push", "--quiet", "origin", "main");
  await look();
  return commit;
}

async function look() {
  const outcome = await world.watcher.look("shop", { actor: "ada" });
  await world.settled();
  return outcome;
}

const running = (): Record<string, string> =>
  Object.fromEntries([...world.deployer.running].map(([key, { source }]) => [key, String(source).slice(0, 7)]));

const states = async () =>
  Object.fromEntries(
    (await world.release.deployments()).map(({ name, state, reason }) => [name, `${state} ${reason}`]),
  );

async function start() {
  return push({ ...service("web"), ...service("api"), "web/main.js": "1", "api/main.js": "1" });
}

test("a push makes a snapshot, and only what changed is applied again", async () => {
  const first = await start();
  assert.deepEqual(await states(), { api: "ready ", web: "ready " });
  const second = await push({ "web/main.js": "2" });
  assert.deepEqual(world.deployer.applies.map(({ stack }) => stack.deployment).toSorted(), ["api", "web", "web"]);
  const history = await world.release.history(production);
  assert.deepEqual(
    history.map(({ tag, commit, active }) => [tag, commit, active]),
    [
      ["waybill/production/2", second, true],
      ["waybill/production/1", first, false],
    ],
  );
  assert.deepEqual(
    history[0]?.changes.map(({ name, action, reasons }) => [name, action, reasons]),
    [["web", "replace", ["the source tree changed"]]],
  );
  assert.equal((await world.release.deployments({ name: "api" }))[0]?.snapshot, "waybill/production/2");
});

for (const [name, goBack] of Object.entries({
  "waybill rollback": () =>
    world.release.rollback({ ...production, to: null, only: null, note: "it crashed", actor: ada }),
  "deleting the newest tag": async () => {
    await work.git("push", "--quiet", "origin", ":refs/tags/waybill/production/2");
    await look();
  },
  "a tag by hand on the older commit": async () => {
    await work.git("tag", "-a", "-m", "back", "waybill/production/3", "HEAD~1");
    await work.git("push", "--quiet", "origin", "waybill/production/3");
    await look();
  },
})) {
  test(`${name} returns to the old revision, holds, and a release lets later pushes go`, async () => {
    await start();
    const before = running();
    await push({ "web/main.js": "2" });
    assert.notDeepEqual(running(), before);
    await goBack();
    await world.settled();
    assert.deepEqual(running(), before);
    const [environment] = await world.release.environments("shop");
    assert.equal(environment?.snapshot, "waybill/production/3");
    assert.notEqual(environment.hold, null);
    const later = await push({ "web/main.js": "3" });
    assert.deepEqual(running(), before);
    assert.equal((await world.release.environments("shop"))[0]?.waiting?.commit, later);
    await world.release.release({ ...production, actor: ada });
    await world.settled();
    assert.notDeepEqual(running(), before);
    const [released] = await world.release.environments("shop");
    assert.deepEqual([released?.hold, released?.waiting, released?.snapshot], [null, null, "waybill/production/4"]);
  });
}

test("a kill while a deleted tag is answered leaves one revert, made before the deletion is noted", async () => {
  await start();
  await push({ "web/main.js": "2" });
  await work.git("push", "--quiet", "origin", ":refs/tags/waybill/production/2");
  const saveSnapshot = world.store.saveSnapshot.bind(world.store);
  const noted: string[] = [];
  for (const survives of ["nothing", "the revert"]) {
    world.store.saveSnapshot = async (environment, row) => {
      const what = row.isDeleted ? "the deletion" : "the revert";
      if (survives !== what) throw new Error("the server is killed");
      noted.push(what);
      await saveSnapshot(environment, row);
    };
    await assert.rejects(look(), /the server is killed/);
  }
  world.store.saveSnapshot = saveSnapshot;
  await look();
  await look();
  await world.settled();
  assert.deepEqual(noted, ["the revert"]);
  const rows = await world.store.snapshots({ repository: "shop" });
  assert.deepEqual(Object.fromEntries(rows.map(({ number, isDeleted }) => [number, isDeleted])), {
    1: false,
    2: true,
    3: false,
  });
  assert.notEqual((await world.release.environments("shop"))[0]?.hold, null);
});

test("rolling one deployment back leaves the others", async () => {
  await start();
  const before = running();
  await push({ "web/main.js": "2", "api/main.js": "2" });
  const after = running();
  await world.release.rollback({ ...production, to: null, only: "web", note: "", actor: ada });
  await world.settled();
  assert.deepEqual(running(), {
    "shop/production/api": after["shop/production/api"],
    "shop/production/web": before["shop/production/web"],
  });
  await assert.rejects(
    world.release.rollback({ ...production, to: 1, only: "nope", note: "", actor: ada }),
    /no deployment "nope"/,
  );
});

test("a database that was lost is rebuilt from Git alone, the hold included", async () => {
  await start();
  await push({ "web/main.js": "2" });
  await world.release.rollback({ ...production, to: null, only: null, note: "", actor: ada });
  await world.settled();
  const before = running();
  const later = await push({ "web/main.js": "3" });
  await world.database.db.deleteFrom("repositories").execute();
  assert.deepEqual(await world.release.deployments(), []);
  assert.deepEqual(await world.release.rebuild(), { repositories: 1, environments: 1, deployments: 2 });
  await world.settled();
  assert.deepEqual(running(), before);
  const [environment] = await world.release.environments("shop");
  assert.equal(environment?.waiting?.commit, later);
  assert.notEqual(environment.hold, null);
});

test("a removed file is a removed deployment", async () => {
  await start();
  await work.git("rm", "--quiet", "deployments/api.yaml");
  await push({});
  assert.deepEqual(Object.keys(running()), ["shop/production/web"]);
  assert.deepEqual(Object.keys(await states()), ["web"]);
});

test("an empty tree and a vanished branch delete nothing", async () => {
  await start();
  const before = running();
  await work.git("rm", "--quiet", "-r", "deployments");
  const empty = await push({});
  assert.deepEqual(running(), before);
  const [environment] = await world.release.environments("shop");
  assert.equal(environment?.waiting?.commit, empty);
  assert.match(environment.waiting.reason, /no deployments in this commit: it would delete 2 of 2/);
  await work.git("--git-dir", join(world.folder, "shop.git"), "update-ref", "-d", "refs/heads/main");
  await look();
  assert.deepEqual(running(), before);
});

test("a plan that deletes most of an environment waits for a person", async () => {
  const names = ["one", "two", "three", "four", "five"];
  await push(Object.assign({}, ...names.map((name) => ({ ...service(name), [`${name}/main.js`]: name }))));
  await work.git("rm", "--quiet", ...names.slice(0, 3).map((name) => `deployments/${name}.yaml`));
  await push({});
  assert.equal(world.deployer.running.size, 5);
  await world.release.release({ ...production, actor: ada });
  await world.settled();
  assert.equal(world.deployer.running.size, 2);
});

test("a deployment that fails leaves the others deployed, and is not tried again until it changes", async () => {
  world.deployer.behave = async ({ stack }) => {
    if (stack.deployment !== "web") return;
    const { WaybillError } = await import("../src/core/errors.ts");
    throw new WaybillError("WORKLOAD_FAILED", "it crashed with status 3");
  };
  await start();
  assert.deepEqual(await states(), { api: "ready ", web: "failed it crashed with status 3" });
  await look();
  assert.equal(world.deployer.applies.filter(({ stack }) => stack.deployment === "web").length, 1);
  world.deployer.behave = async () => undefined;
  await push({ "web/main.js": "2" });
  assert.deepEqual(await states(), { api: "ready ", web: "ready " });
});

test("a newer push cancels an apply in flight, and the last of many wins", async () => {
  let cancelled = 0;
  const allPushed = Promise.withResolvers<void>();
  world.deployer.behave = (_workload, signal) =>
    new Promise((resolve, reject) => {
      void allPushed.promise.then(resolve);
      signal.addEventListener("abort", () => {
        cancelled += 1;
        reject(new Error("cancelled"));
      });
    });
  await work.write({ ...service("web"), "web/main.js": "0" });
  await work.commit("start");
  const looks: Promise<unknown>[] = [];
  for (let count = 1; count <= 20; count += 1) {
    await work.write({ "web/main.js": String(count) });
    await work.commit(`change ${count}`);
    await work.git("push", "--quiet", "origin", "main");
    looks.push(world.watcher.look("shop", { actor: "ada" }));
  }
  await Promise.all(looks);
  allPushed.resolve();
  await world.settled();
  const tree = await work.git("rev-parse", "HEAD:web");
  assert.equal(world.deployer.running.get("shop/production/web")?.source, tree);
  assert.ok(cancelled > 0, "nothing was cancelled");
});

test("what waits for its target is tried again when that says so, knowing what ran before", async () => {
  await start();
  const { WaybillError } = await import("../src/core/errors.ts");
  const changed = Promise.withResolvers<void>();
  world.deployer.changed = () => changed.promise;
  const before: unknown[] = [];
  const apply = world.deployer.apply.bind(world.deployer);
  world.deployer.apply = async (workload, options) => {
    before.push(options.previous?.source ?? null);
    return apply(workload, options);
  };
  world.deployer.behave = async () => {
    throw new WaybillError("ROLLOUT_WAITING", "no node has a free GPU", { retryAfterMs: 3_600_000 });
  };
  const old = await work.git("rev-parse", "HEAD:web");
  await push({ "web/main.js": "2" });
  assert.equal((await states())["web"], "waiting no node has a free GPU\nWhat ran before keeps running.");
  // Whoever asks only now does not wait for the next try.
  await world.settled();
  world.deployer.behave = async () => undefined;
  changed.resolve();
  await until("it is ready", async () => (await states())["web"] === "ready ");
  assert.deepEqual(before, [old, old]);
  await push({ "web/main.js": "3" });
  assert.equal(before.at(-1), await work.git("rev-parse", "HEAD~1:web"));
});

test("a push ends the pause between two tries, whatever it brings", async () => {
  await start();
  const { WaybillError } = await import("../src/core/errors.ts");
  world.deployer.behave = async () => {
    throw new WaybillError("ENTRANCE_SILENT", "nobody answers", { retryAfterMs: 3_600_000 });
  };
  await push({ "web/main.js": "2" });
  assert.match((await states())["web"] ?? "", /^failed nobody answers/);
  world.deployer.behave = async () => undefined;
  await push({ "README.md": "words" });
  await world.settled();
  assert.equal((await states())["web"], "ready ");
});

test("a rollback to what never stopped running says that it is ready", async () => {
  await start();
  const { WaybillError } = await import("../src/core/errors.ts");
  world.deployer.behave = async ({ stack }) => {
    if (stack.deployment === "web") throw new WaybillError("WORKLOAD_FAILED", "it crashed with status 3");
  };
  await push({ "web/main.js": "2" });
  assert.match((await states())["web"] ?? "", /^failed it crashed with status 3\nWhat ran before keeps running/);
  world.deployer.behave = async () => undefined;
  await world.release.rollback({ ...production, to: null, only: null, note: "", actor: ada });
  await world.settled();
  assert.equal((await states())["web"], "ready ");
});

test("a paused deployment stays paused through deploys, with who and why", async () => {
  await start();
  const stack = { ...production, deployment: "web" };
  const paused = await world.release.pause({ ...stack, reason: "too loud", actor: ada });
  await world.settled();
  assert.deepEqual([paused.pause?.by, paused.pause?.reason], ["ada", "too loud"]);
  await push({ "web/main.js": "2" });
  assert.equal((await states())["web"], "paused paused by ada: too loud");
  await world.release.resume({ ...stack, actor: ada });
  await world.settled();
  assert.equal((await states())["web"], "ready ");
});

test("a missing secret is waited for, by name, and setting it starts the deployment", async () => {
  await push({ ...service("web", "secrets: [{name: web-db, env: DATABASE_URL}]\n"), "web/main.js": "1" });
  assert.equal((await states())["web"], 'waiting secret "web-db" does not exist: waybill secret set web-db');
  world.secretVersions.set("web-db", 1);
  await world.release.secretsChanged({ repository: "shop", environment: null });
  await world.settled();
  assert.equal((await states())["web"], "ready ");
});

test("hold keeps later pushes waiting; the content stays", async () => {
  await start();
  const before = running();
  await world.release.hold({ ...production, reason: "demo at noon", actor: ada });
  await push({ "web/main.js": "2" });
  assert.deepEqual(running(), before);
  const [environment] = await world.release.environments("shop");
  assert.match(environment?.waiting?.reason ?? "", /demo at noon/);
  assert.equal(environment?.hold?.reason, "demo at noon");
});

test("an environment follows the branch that waybill.yaml names", async () => {
  await start();
  await work.git("push", "--quiet", "origin", "main:next");
  await look();
  assert.equal(world.deployer.running.size, 2, "nothing follows the branch next yet");
  const settings = "apiVersion: waybill/v1\nenvironments:\n  production: {branch: main}\n  staging: {branch: next}\n";
  await push({ "waybill.yaml": settings });
  assert.deepEqual([...world.deployer.running.values()].map(({ stack }) => stackKey(stack)).toSorted(), [
    "shop/production/api",
    "shop/production/web",
    "shop/staging/api",
    "shop/staging/web",
  ]);
  const hosts = [...world.deployer.running.values()].map(({ host }) => host).toSorted();
  assert.deepEqual(hosts, ["api", "staging--api", "staging--web", "web"]);
});

test("a moved tag is not followed", async () => {
  const first = await start();
  await push({ "web/main.js": "2" });
  const before = running();
  await work.git("--git-dir", join(world.folder, "shop.git"), "update-ref", "refs/tags/waybill/production/2", first);
  const { troubles } = await look();
  assert.deepEqual(running(), before);
  assert.match(troubles.join(), /waybill\/production\/2 was moved/);
});

test("what a remote gets while a snapshot is made here is left for the next look", async () => {
  await work.write({ ...service("web"), "web/main.js": "1" });
  await work.commit("one");
  await work.git("push", "--quiet", "origin", "main");
  const url = `file://${join(world.folder, "shop.git")}`;
  await world.release.connect({ name: "copy", url, credentials: null, actor: ada });
  await work.write({ "web/main.js": "2" });
  const second = await work.commit("two");
  await work.git("push", "--quiet", "origin", "main");
  await world.release.hold({ repository: "copy", environment: "production", reason: "lunch", actor: ada });
  assert.match(await work.git("ls-remote", "origin"), /waybill\/production\/2$/m);
  const copy = await world.git.open(repositoryName("copy"));
  assert.equal(await copy.hasChanged(new AbortController().signal), true);
  const [outcome] = (await world.watcher.look("copy")).environments;
  assert.equal(outcome?.waiting?.commit, second);
  await world.settled();
});

test("connecting again keeps the webhook's secret and the credentials, unless others are asked for", async () => {
  const url = `file://${join(world.folder, "shop.git")}`;
  const request = { name: "copy", url, actor: ada };
  const keys = async () => ({
    credentials: (await world.remoteKeys.credentials("copy"))?.reveal(),
    secrets: (await world.remoteKeys.webhookSecrets("copy")).map(({ secret }) => secret.reveal()),
  });
  const first = await world.release.connect({ ...request, credentials: "ada:one" });
  const secret = first.webhook.secret?.reveal() ?? "";
  assert.deepEqual(await keys(), { credentials: "ada:one", secrets: [secret] });
  const again = await world.release.connect(request);
  assert.equal(again.wasConnected, true);
  assert.deepEqual(again.webhook, { path: "/webhooks/github/copy", secret: null, formerValidUntil: null });
  assert.deepEqual(await keys(), { credentials: "ada:one", secrets: [secret] });
  const renewed = await world.release.connect({ ...request, credentials: "ada:two", newSecret: true });
  const until = Date.parse(renewed.webhook.formerValidUntil ?? "");
  assert.ok(until > Date.now() + 23 * 3_600_000 && until <= Date.now() + 24 * 3_600_000);
  assert.deepEqual(await keys(), { credentials: "ada:two", secrets: [renewed.webhook.secret?.reveal(), secret] });
  await world.release.connect({ ...request, credentials: null });
  assert.equal((await keys()).credentials, undefined);
});
