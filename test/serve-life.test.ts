import assert from "node:assert/strict";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  programsBelow,
  service,
  startWithClone,
  until,
  webProgram,
  type Clone,
  type Served,
} from "./support/served.ts";

// What a server's end, a lost database and a hurry do to what is deployed.

let served: Served;
let shop: Clone;

before(async () => {
  ({ served, clone: shop } = await startWithClone("shop", { stopWorkloads: false }));
  const files = {
    "deployments/web.yaml": service("web"),
    "deployments/keeper.yaml": service("web", "secrets: [{name: key, env: KEY}]\n"),
    "web/main.js": webProgram("one"),
  };
  const { stderr } = await shop.push(files);
  assert.match(stderr, /keeper +waiting: secret "key" does not exist: waybill secret set key/);
  assert.match(stderr, /1 of 2 not live after .*: keeper/);
  await setKey("first");
});
after(() => served.close());

async function setKey(value: string): Promise<void> {
  await served.cli(["secret", "set", "key", "--repository", "shop"], { input: `${value}\n` });
  await until("the secret's value", async () => (await served.get("keeper", "/env?name=KEY")).body === value);
}

const pid = async (label: string): Promise<number> => Number((await served.get(label, "/pid")).body);

const programs = async (): Promise<readonly number[]> =>
  (await programsBelow(served.data))
    .filter(({ command }) => command === "node main.js")
    .map((program) => program.pid)
    .toSorted((a, b) => a - b);

const both = async (): Promise<readonly number[]> => [await pid("web"), await pid("keeper")].toSorted((a, b) => a - b);

interface Row {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly snapshot: string;
}

async function rows(): Promise<readonly Row[]> {
  const { deployments } = (await served.json(["status"])) as { deployments: Row[] };
  return deployments;
}

for (const [how, end] of Object.entries({
  "a stop": () => served.stop(),
  "kill -9": async () => {
    const { child } = served.server();
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  },
})) {
  test(`programs answer through ${how} of the server, and are adopted by the next, each once`, async () => {
    const before = await both();
    await end();
    assert.equal((await served.get("web")).body, "one", "while no server runs");
    await served.start();
    assert.deepEqual(await both(), before);
    assert.deepEqual(await programs(), before);
  });
}

test("a lost database is rebuilt from Git alone: what runs is taken over, holds hold, secrets are asked for", async () => {
  await served.json(["hold", "production", "--note", "the fair", "--repository", "shop"]);
  await shop.push({ "web/main.js": webProgram("waits") });
  const [web, keeper] = [await pid("web"), await pid("keeper")];
  await served.stop();
  await rm(join(served.data, "postgres"), { recursive: true });
  await served.start();
  const rebuilt = await served.json(["rebuild"]);
  assert.deepEqual(rebuilt, { repositories: 1, environments: 1, deployments: 2 });
  await until("web is ready", async () =>
    (await rows()).some(({ name, state }) => name === "web" && state === "ready"),
  );
  assert.equal(await pid("web"), web, "not started a second time");
  const missing = (await rows()).find(({ name }) => name === "keeper");
  assert.deepEqual(missing, {
    ...missing,
    state: "waiting",
    reason: 'secret "key" does not exist: waybill secret set key',
  });
  await setKey("second");
  await until("the program with the lost secret is gone", async () => !(await programs()).includes(keeper));
  assert.deepEqual(await programs(), await both(), "one process each");
  const { body } = await served.api("GET", "/environments");
  const [production] = (body as { environments: { hold: { reason: string }; waiting: { commit: string } }[] })
    .environments;
  assert.equal(production?.hold.reason, "the fair");
  assert.equal(production.waiting.commit, await shop.git("rev-parse", "HEAD"));
  assert.equal((await served.get("web")).body, "one");
  await served.json(["release", "production", "--repository", "shop"]);
  await until("what waited", async () => (await served.get("web")).body === "waits");
});

test("of fifty pushes in quick succession the last one is live, in one process", { timeout: 120_000 }, async () => {
  const pushes: Promise<unknown>[] = [];
  for (let number = 1; number <= 50; number += 1) {
    await shop.write({ "web/main.js": webProgram(`push ${number}`) });
    const commit = await shop.commit(`push ${number}`);
    // Git itself refuses some that meet at the branch; the last comes after all of them.
    pushes.push(shop.tryGit("push", "--quiet", "--force", "origin", `${commit}:main`));
    await sleep(50);
  }
  await Promise.all(pushes.slice(0, -1));
  await pushes.at(-1);
  await shop.git("push", "--quiet", "--force", "origin", "main");
  await until("the last push", async () => (await served.get("web")).body === "push 50");
  await until("one process each", async () => (await programs()).length === 2);
  assert.deepEqual(await programs(), await both());
});

test("a newer push cancels a slow build and wins", async () => {
  const slow = shop.push({ "deployments/web.yaml": service("web", "build: sleep 60\n") });
  await until("the build", async () => (await rows()).some(({ state }) => state === "building"));
  const startedAtMs = Date.now();
  const files = { "deployments/web.yaml": service("web", "build: echo fast\n"), "web/main.js": webProgram("fast") };
  const fast = await shop.push(files);
  assert.equal(fast.exitCode, 0, fast.stderr);
  assert.equal((await slow).exitCode, 0);
  assert.ok(Date.now() - startedAtMs < 20_000);
  assert.equal((await served.get("web")).body, "fast");
  const left = (await programsBelow(served.data)).filter(({ command }) => command.includes("sleep 60"));
  assert.deepEqual(left, []);
});

test("--stop-workloads takes every program along; the next start brings them back", async () => {
  await served.stop();
  await served.start({ stopWorkloads: true });
  assert.equal((await served.get("web")).body, "fast");
  await served.stop();
  assert.deepEqual(await programsBelow(served.data), []);
  await served.start();
  await until("web again", async () => (await served.get("web")).body === "fast");
});
