import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { site, startWithClone, until, type Clone, type Served } from "./support/served.ts";

// Going back, holding and letting go on the whole product: by the command line, and by plain Git.

let served: Served;
let shop: Clone;
const names = ["a", "b", "c", "d"];

before(async () => {
  ({ served, clone: shop } = await startWithClone("shop"));
  await shop.write(Object.fromEntries(names.map((name) => [`deployments/${name}.yaml`, site(name)])));
});
after(() => served.close());

async function push(version: number): Promise<string> {
  const { exitCode, stderr } = await shop.push(
    Object.fromEntries(names.map((name) => [`${name}/index.html`, `${name}${version}`])),
  );
  assert.equal(exitCode, 0, stderr);
  return stderr;
}

async function shows(...texts: string[]): Promise<void> {
  let seen: string[] = [];
  await until(texts.join(" "), async () => {
    seen = await Promise.all(names.map(async (name) => (await served.get(name)).body));
    return seen.join(" ") === texts.join(" ");
  }).catch((error: unknown) => assert.fail(`${String(error)}: ${seen.join(" ")}`));
}

const all = (version: number): string[] => names.map((name) => `${name}${version}`);

interface Environment {
  readonly snapshot: string;
  readonly hold: { readonly by: string; readonly reason: string } | null;
  readonly waiting: { readonly commit: string; readonly reason: string } | null;
}

async function production(): Promise<Environment> {
  const { body } = await served.api("GET", "/environments?repository=shop");
  const [environment] = (body as { environments: Environment[] }).environments;
  assert.ok(environment);
  return environment;
}

interface Snapshot {
  readonly tag: string;
  readonly number: number;
  readonly commit: string;
  readonly actor: string;
  readonly reason: string;
  readonly reverts: string | null;
  readonly active: boolean;
  readonly held: boolean;
}

async function newest(): Promise<Snapshot> {
  const { snapshots } = (await served.json(["history", "production"])) as { snapshots: Snapshot[] };
  const [first] = snapshots;
  assert.ok(first);
  return first;
}

async function refusedPush(words: RegExp, ...args: string[]): Promise<void> {
  const { exitCode, stderr } = await shop.tryGit("push", "--force", "origin", ...args);
  assert.notEqual(exitCode, 0, stderr);
  assert.match(stderr, words);
}

const ways: Readonly<Record<string, (tag: Snapshot) => Promise<void>>> = {
  "waybill rollback": async () => {
    const { snapshot } = (await served.json(["rollback", "production", "--note", "it broke"])) as {
      snapshot: Snapshot;
    };
    assert.deepEqual([snapshot.reason, snapshot.actor, snapshot.held], ["it broke", "bootstrap", true]);
  },
  "deleting the newest tag": async ({ tag }) => {
    const { stderr } = await shop.tryGit("push", "origin", "--delete", tag);
    assert.match(stderr, new RegExp(`takes back ${tag}; production is on hold`));
  },
  "a lightweight tag by hand on the older commit": async ({ number }) => {
    const tag = `waybill/production/${number + 1}`;
    await shop.git("tag", tag, "HEAD~1");
    const { exitCode, stderr } = await shop.tryGit("push", "origin", tag);
    assert.equal(exitCode, 0, stderr);
    assert.equal((await newest()).actor, "bootstrap", "whoever pushed it");
  },
};

for (const [index, [way, goBack]] of Object.entries(ways).entries()) {
  const version = index * 3;
  test(`${way}: the old revision, a hold, waiting pushes, and a release`, async () => {
    await push(version + 1);
    const older = await shop.git("rev-parse", "HEAD");
    await push(version + 2);
    await shows(...all(version + 2));
    const live = await newest();
    await goBack(live);
    await shows(...all(version + 1));
    const back = await newest();
    assert.deepEqual([back.commit, back.reverts, back.active, back.held], [older, live.tag, true, true]);

    const said = await push(version + 3);
    const waiting = await shop.git("rev-parse", "HEAD");
    assert.match(said, new RegExp(`${waiting.slice(0, 7)} waits for production: the environment is on hold`));
    assert.doesNotMatch(said, /everything is as it should be/);
    await shows(...all(version + 1));
    const held = await production();
    assert.equal(held.waiting?.commit, waiting);
    assert.ok(held.hold);
    const text = (await served.cli(["status"])).out;
    assert.match(text, /production of shop is on hold, by bootstrap: /);
    assert.match(text, new RegExp(`production of shop: ${waiting.slice(0, 10)} waits: `));
    await served.json(["release", "production"]);
    await shows(...all(version + 3));
    assert.deepEqual([(await production()).hold, (await production()).waiting], [null, null]);
  });
}

test("--only takes one deployment back and leaves the others; --to says how far", async () => {
  const { number } = await newest();
  await served.json(["rollback", "production", "--only", "a"]);
  await shows("a7", "b9", "c9", "d9");
  await served.json(["rollback", "production", "--only", "b", "--to", "1"]);
  await shows("a7", "b1", "c9", "d9");
  const { out } = await served.cli(["status"]);
  assert.match(out, new RegExp(`a +site +\\w+ +${number + 1} `));
  assert.match(out, new RegExp(`b +site +\\w+ +${number + 2} `));
  assert.match(out, new RegExp(`c +site +\\w+ +${number} `));
  await served.json(["rollback", "production", "--to", "1"]);
  await shows(...all(1));
  await push(10);
  await shows(...all(1));
  await served.json(["release", "production"]);
  await shows(...all(10));
});

test("what cannot be gone back to is said", async () => {
  for (const [args, status, words] of [
    [["production", "--to", "99999"], 1, /no snapshot waybill\/production\/99999/],
    [["production", "--to", "x"], 2, /not a snapshot's number/],
    [["production", "--only", "nosuch"], 1, /has no deployment "nosuch"/],
    [["nosuch"], 1, /nosuch/],
  ] as const) {
    const said = await served.cli(["rollback", ...args]);
    assert.equal(said.status, status, said.err);
    assert.match(said.err, words);
  }
});

test("hold keeps pushes waiting without changing anything; a release without any goes on", async () => {
  await served.json(["hold", "production", "--note", "the fair"]);
  assert.equal((await production()).hold?.reason, "the fair");
  await shows(...all(10));
  await served.json(["release", "production"]);
  assert.equal((await production()).hold, null);
  assert.equal((await served.cli(["release", "production"])).status, 1);
  await push(11);
  await shows(...all(11));
});

test("a snapshot never moves, and its number is never used again", async () => {
  const { number } = await newest();
  await shop.git("fetch", "--quiet", "--tags", "origin");
  await shop.git("tag", "--force", "waybill/production/1", "HEAD");
  const next = `waybill/production/${number + 1}`;
  await refusedPush(
    new RegExp(`waybill/production/1 exists: a snapshot never moves. Use .*${next}`),
    "waybill/production/1",
  );
  await refusedPush(/only the newest snapshot, .*, can be taken back/, ":refs/tags/waybill/production/2");
  const deleted = (await newest()).tag;
  await shop.git("push", "--quiet", "origin", "--delete", deleted);
  await shows(...all(10));
  await shop.git("tag", "--force", deleted, "HEAD");
  await refusedPush(/numbers are never used again/, deleted);
  for (const name of ["production/007", "production/0", "prod--x/1", "production/1/2", "x", "production/9999999999"]) {
    await refusedPush(/is no snapshot tag/, `HEAD:refs/tags/waybill/${name}`);
  }
  const blob = await shop.hashObject("blob", "x");
  await refusedPush(/names no commit/, `${blob}:refs/tags/waybill/production/${number + 5}`);
  await shows(...all(10));
  await shop.git("tag", "-a", "-m", "forward again", `waybill/production/${number + 50}`, "HEAD");
  await shop.git("push", "--quiet", "origin", `waybill/production/${number + 50}`);
  await shows(...all(11));
  assert.equal((await production()).hold, null, "a person's newer tag ends the hold");
});

test("a plan that deletes most, and an empty tree, wait for a person", async () => {
  await shop.git("rm", "--quiet", ...["a", "b", "c"].map((name) => `deployments/${name}.yaml`));
  const { stderr } = await shop.push({});
  assert.match(stderr, /waits for a person: it would delete 3 of 4 deployments \(a, b, c\)/);
  await shows(...all(11));
  await served.json(["release", "production"]);
  await until("a, b and c are gone", async () => {
    const statuses = await Promise.all(names.map(async (name) => (await served.get(name)).status));
    return statuses.join() === "404,404,404,200";
  });
  await shop.git("rm", "--quiet", "-r", ".");
  assert.match((await shop.push({})).stderr, /there are no deployments in this commit: it would delete 1 of 1/);
  assert.equal((await served.get("d")).body, "d11");
  assert.match((await production()).waiting?.reason ?? "", /no deployments in this commit/);
  await shop.git("revert", "--no-edit", "HEAD");
  await shop.git("push", "--quiet", "origin", "main");
  assert.equal((await production()).waiting, null);
  assert.equal((await served.get("d")).body, "d11");
});
