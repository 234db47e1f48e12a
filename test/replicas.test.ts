import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Webhooks } from "@octokit/webhooks";
import { replicaWorld, type ReplicaWorld } from "./support/replica-world.ts";
import { runCommand, workingCopy, type WorkingCopy } from "./support/repository.ts";
import { service, site, until, webProgram } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";

// Two servers on one database and one data folder: one acts, the other takes its place, and nothing is done twice.

const limitMs = 60_000;
const programs = ["a", "b", "c"];
const sites = Array.from({ length: 9 }, (_, index) => `site-${index}`);
const all = [...programs, ...sites];

/** Many deployments that answer `text`. */
function fleet(text: string): Record<string, string> {
  return Object.fromEntries([
    ...programs.flatMap((name) => [
      [`deployments/${name}.yaml`, service(name)],
      [`${name}/main.js`, webProgram(text)],
    ]),
    ...sites.flatMap((name) => [
      [`deployments/${name}.yaml`, site(name)],
      [`${name}/index.html`, text],
    ]),
  ]) as Record<string, string>;
}

describe("two servers", { timeout: 400_000, concurrency: 1 }, () => {
  let world: ReplicaWorld;
  let one: ServerProcess;
  let two: ServerProcess;
  before(async () => {
    world = await replicaWorld();
    one = await world.start("one");
    two = await world.start("two");
  });
  after(() => world?.close());

  const answers = async (by: ServerProcess, names: readonly string[]): Promise<ReadonlySet<string>> =>
    new Set(await Promise.all(names.map(async (name) => (await world.get(by, name)).body)));
  const areAll = (by: ServerProcess, text: string) => async (): Promise<boolean> => {
    const found = await answers(by, all);
    return found.size === 1 && found.has(text);
  };
  const acting = async (): Promise<string> => {
    const { rows } = await world.pool.query<{ place: string }>("select place from server_lease");
    return rows[0]?.place ?? "";
  };
  const acts = (server: ServerProcess) => async (): Promise<boolean> =>
    (await acting()).includes(`"pid":${server.child.pid},`);
  /** How far each deployment's state was written. */
  const serials = async () =>
    (await world.pool.query("select repository, deployment, serial from stacks order by repository, deployment")).rows;
  const snapshots = async (repository: string): Promise<number> =>
    (await world.pool.query("select from snapshots where repository = $1", [repository])).rowCount ?? 0;
  async function commit(work: WorkingCopy, text: string): Promise<void> {
    await work.write(fleet(text));
    await work.commit(text);
  }

  test("a push to the one that waits is a push to the one that acts, and both gateways serve it", async () => {
    assert.equal(await acts(one)(), true);
    const work = await world.clone("early", two);
    await work.write({ "deployments/early.yaml": site("early"), "early/index.html": "early" });
    await work.commit("early");
    await work.git("push", "--quiet", "origin", "main");
    assert.deepEqual(await Promise.all([one, two].map(async (by) => (await world.get(by, "early")).body)), [
      "early",
      "early",
    ]);
  });

  test("the one that acts is killed in the middle of a push of many deployments: the other goes on with it", async () => {
    const work = await world.clone("shop", two);
    await commit(work, "first");
    const pushing = work.tryGit("push", "--quiet", "origin", "main");
    await until("some are applied", async () => (await serials()).length >= 4, limitMs);
    one.child.kill("SIGKILL");
    const killedMs = performance.now();
    await until("the other one acts", acts(two));
    assert.ok(performance.now() - killedMs < 10_000, "nobody waits for a process that is dead");
    await until("all of it is live", areAll(two, "first"), limitMs);
    await pushing;
    assert.equal(await snapshots("shop"), 1);
    assert.equal(await world.programs(), programs.length, "none was started twice");
    one = await world.start("one");
    assert.deepEqual(await answers(one, all), new Set(["first"]));
  });

  test("one that stood still for longer than its lease changes nothing when it comes back", async () => {
    const work = await world.clone("shop", one);
    await work.git("pull", "--quiet", "origin", "main");
    await commit(work, "second");
    const before = new Set((await serials()).map(({ serial }) => String(serial)));
    const pushing = work.tryGit("push", "--quiet", "origin", "main");
    await until(
      "it is in the middle",
      async () => (await serials()).some(({ serial }) => !before.has(String(serial))),
      limitMs,
    );
    two.child.kill("SIGSTOP");
    await until("the other one acts", acts(one), limitMs);
    await until("all of it is live", areAll(one, "second"), limitMs);
    await commit(work, "third");
    await until("a push is taken", async () => (await work.tryGit("push", "--quiet", "origin", "main")).exitCode === 0);
    await until("all of that is live", areAll(one, "third"), limitMs);
    const written = await serials();
    const exited = once(two.child, "exit");
    two.child.kill("SIGCONT");
    const [status] = (await exited) as [number | null];
    assert.equal(status, 75, two.log());
    assert.match(two.log(), /LEASE_LOST: another server has taken over/);
    await pushing;
    assert.deepEqual(await serials(), written);
    assert.deepEqual(await answers(one, all), new Set(["third"]));
    await until("the old programs are gone", async () => (await world.programs()) === programs.length, limitMs);
    assert.equal(await snapshots("shop"), 3);
    two = await world.start("two");
  });

  test("what one gateway has under way is not put to sleep by the server of another, and either wakes it", async () => {
    const idle = await world.clone("idle", two);
    await idle.write({
      "deployments/idle.yaml": service("idle", "replicas: {min: 0, idleAfter: 1s}\n"),
      "idle/main.js": slowProgram,
    });
    await idle.commit("idle");
    await idle.git("push", "--quiet", "origin", "main");
    const stage = async (): Promise<string | null> => {
      const { rows } = await world.pool.query<{ stage: string | null }>(
        "select sleep ->> 'stage' as stage from routes where host = 'idle'",
      );
      return rows[0]?.stage ?? null;
    };
    const isAsleep = async (): Promise<boolean> => (await stage()) === "asleep";
    const by = (await acts(one)()) ? two : one;
    assert.equal((await world.get(by, "idle", "/slow")).body, "slowly");
    await until("it sleeps", isAsleep);
    assert.equal(await world.programs(), programs.length);
    assert.deepEqual(await answers(by, ["idle"]), new Set(["awake"]));
    await until("it sleeps again", isAsleep);
    assert.deepEqual(await answers(by === one ? two : one, ["idle"]), new Set(["awake"]));
  });

  test("what Git takes for a server that is gone is found all the same", async () => {
    const work = await world.clone("late", one);
    await work.write({ "deployments/late.yaml": site("late"), "late/index.html": "before" });
    await work.commit("before");
    await work.git("push", "--quiet", "origin", "main");
    await work.write({ "late/index.html": "after" });
    const commit = await work.commit("after");
    await work.git("push", "--quiet", "origin", "main:elsewhere");
    await work.git("--git-dir", join(world.data, "repositories/late.git"), "update-ref", "refs/heads/main", commit);
    await until("it is live", async () => (await world.get(two, "late")).body === "after", limitMs);
  });

  test("a webhook that both get is followed once", async () => {
    const remote = await remoteOf(world, "docs");
    const { webhook } = (await api(world, one, { name: "docs", url: `file://${remote.path}` })) as {
      webhook: { secret: string };
    };
    await remote.write({ "deployments/docs.yaml": site("docs"), "docs/index.html": "words" });
    await remote.commit("words");
    const body = JSON.stringify({ ref: "refs/heads/main" });
    const signature = await new Webhooks({ secret: webhook.secret }).sign(body);
    const repeated = await Promise.all([one, two].map((by) => deliver(by, { body, signature })));
    assert.equal(repeated.filter(Boolean).length, 1);
    await until("it is live", async () => (await world.get(two, "docs")).body === "words", limitMs);
    assert.equal(await snapshots("docs"), 1);
  });
});

const slowProgram = `require("node:http").createServer((request, response) => {
  if (request.url === "/slow") setTimeout(() => response.end("slowly"), 6_000);
  else response.end("awake");
}).listen(process.env.PORT);
`;

/** A repository hosted elsewhere. */
async function remoteOf(world: ReplicaWorld, name: string): Promise<WorkingCopy> {
  const work = await workingCopy(join(world.data, "..", `${name}-elsewhere`));
  await work.write({ "README.md": "words" });
  await work.commit("begin");
  const { exitCode, stderr } = await runCommand(["config", "receive.denyCurrentBranch", "ignore"], { cwd: work.path });
  assert.equal(exitCode, 0, stderr);
  return work;
}

async function api({ token }: ReplicaWorld, { port }: ServerProcess, body: object): Promise<unknown> {
  const response = await fetch(`http://localhost:${port}/api/v1/repositories`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, 201, text);
  return JSON.parse(text) as unknown;
}

/** Whether it was known before. */
async function deliver({ port }: ServerProcess, { body, signature }: { body: string; signature: string }) {
  const response = await fetch(`http://localhost:${port}/webhooks/github/docs`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": "3a1e0f6e-0000-4000-8000-000000000001",
      "x-hub-signature-256": signature,
    },
    body,
  });
  assert.equal(response.status, 202);
  return ((await response.json()) as { repeated: boolean }).repeated;
}
