import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import { environmentName, repositoryName, type CommitSha, type RepositoryName } from "../src/core/names.ts";
import { Secret } from "../src/core/secret.ts";
import { makeGit, type Git } from "../src/git/git.ts";
import { lsRemote } from "../src/git/remote/transport.ts";
import type { Repository } from "../src/git/repository.ts";
import type { LookReason } from "../src/intake/delivery.ts";
import { makePoller } from "../src/intake/poller.ts";
import { makeWebhookIntake } from "../src/intake/webhook.ts";
import { makeDeliveryStore } from "../src/store/deliveries.ts";
import { serveFetch } from "./support/git-server.ts";
import { testDatabase } from "./support/postgres.ts";
import { temporaryFolder, workingCopy, type WorkingCopy } from "./support/repository.ts";
import { until } from "./support/until.ts";

const { FORGE_URL: forgeUrl = "", FORGE_USER: user = "", FORGE_TOKEN: token = "" } = process.env;
const skip = forgeUrl === "" ? "FORGE_URL is not set: no Git forge to test with" : false;
const never = new AbortController().signal;
const demo = repositoryName("demo");
const webhookSecret = randomUUID();

async function api(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${forgeUrl}/api/v1${path}`, {
    method,
    headers: { authorization: `token ${token}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

interface World {
  readonly git: Git;
  readonly mirror: Repository;
  readonly clone: WorkingCopy;
  readonly url: string;
  readonly looks: LookReason[];
  readonly look: (name: RepositoryName, reason: LookReason) => Promise<void>;
  /** Makes the forge send webhooks here. */
  addWebhook(contentType: "json" | "form"): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A private repository on the forge, mirrored here; a person's clone of it. */
async function world(): Promise<World> {
  const name = `t-${randomUUID()}`;
  await api("POST", "/user/repos", { name, private: true, default_branch: "main" });
  const url = `${forgeUrl}/${user}/${name}.git`;
  const folder = await temporaryFolder();
  const database = await testDatabase();
  const git = makeGit({ folder: join(folder.path, "repositories"), log: silentLog });
  const mirror = await git.createMirror(demo, url, new Secret(token));
  const looks: LookReason[] = [];
  async function look(_: RepositoryName, reason: LookReason): Promise<void> {
    looks.push(reason);
    await mirror.fetch(never);
  }
  const intake = makeWebhookIntake({
    deliveries: makeDeliveryStore(database.db),
    secretFor: async () => [new Secret(webhookSecret)],
    look,
    log: silentLog,
    clock: systemClock,
  });
  const server = await serveFetch(async (request) => {
    const { status } = await intake.receive(request, new URL(request.url).pathname.slice(1));
    return new Response(null, { status });
  });
  const clone = await workingCopy(join(folder.path, "clone"));
  const pair = Buffer.from(`${user}:${token}`).toString("base64");
  await clone.git("config", `http.${forgeUrl}/.extraHeader`, `Authorization: Basic ${pair}`);
  await clone.git("remote", "add", "origin", url);
  return {
    git,
    mirror,
    clone,
    url,
    looks,
    look,
    async addWebhook(contentType) {
      const config = { url: `${server.url}/demo`, content_type: contentType, secret: webhookSecret };
      await api("POST", `/repos/${user}/${name}/hooks`, { type: "gitea", active: true, events: ["push"], config });
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await intake.close();
      await git.close();
      await database.close();
      await folder[Symbol.asyncDispose]();
      await api("DELETE", `/repos/${user}/${name}`);
    },
  };
}

async function pushed({ clone }: World, message: string): Promise<string> {
  await clone.write({ "deployments/web.yaml": `# ${message}\n` });
  const sha = await clone.commit(message);
  await clone.git("push", "--quiet", "origin", "main");
  return sha;
}

const headOf = async ({ mirror }: World): Promise<string | undefined> => (await mirror.refs()).branches.get("main");

for (const contentType of ["json", "form"] as const) {
  test(`a push to the forge arrives by its signed webhook, sent as ${contentType}`, { skip }, async () => {
    await using w = await world();
    await w.addWebhook(contentType);
    const sha = await pushed(w, "first");
    await until("the mirror has the commit", async () => (await headOf(w)) === sha);
    assert.deepEqual(new Set(w.looks), new Set(["webhook"]));
    const { files } = await w.mirror.readFiles(sha as CommitSha);
    assert.equal(Buffer.from(files[0]?.bytes ?? []).toString(), "# first\n");
  });
}

test("snapshots are pushed back, and one that is deleted or moved on the forge is seen", { skip }, async () => {
  await using w = await world();
  const sha = await pushed(w, "first");
  await w.mirror.fetch(never);
  const tags = ["waybill/production/1", "waybill/production/2"];
  for (const number of [1, 2]) {
    await w.mirror.createSnapshot({
      environment: environmentName("production"),
      number,
      commit: sha as CommitSha,
      tagger: { name: "waybill", email: "waybill@example.org" },
      at: new Date(),
      message: "Deploy",
      trailers: {},
    });
  }
  await w.mirror.pushTags(tags, never);
  assert.equal(await w.mirror.hasChanged(never), false);
  const listed = await lsRemote(w.url, new Secret(token), never);
  const snapshots = (await w.mirror.refs()).snapshots;
  assert.deepEqual(
    tags.map((tag) => listed.get(`refs/tags/${tag}`)),
    snapshots.map((snapshot) => snapshot.sha),
  );
  await w.clone.git("push", "--quiet", "--force", "origin", "main:refs/tags/waybill/production/1");
  await w.clone.git("push", "--quiet", "origin", ":refs/tags/waybill/production/2");
  assert.deepEqual(await w.mirror.fetch(never), { movedTags: ["waybill/production/1"] });
  assert.deepEqual((await w.mirror.refs()).snapshots, snapshots.slice(0, 1));
});

test("a push whose webhook is lost arrives one polling interval later", { skip }, async () => {
  await using w = await world();
  await pushed(w, "first");
  await w.mirror.fetch(never);
  const stop = new AbortController();
  const intervalMs = 500;
  const polling = makePoller({
    repositories: () => w.git.list(),
    hasChanged: async (name, signal) => (await w.git.open(name)).hasChanged(signal),
    look: w.look,
    clock: systemClock,
    intervalMs,
    log: silentLog,
  }).run(stop.signal);
  const sha = await pushed(w, "second");
  const startedAt = Date.now();
  await until("the poller has seen it", async () => (await headOf(w)) === sha);
  // The interval with its jitter, and the time that asking and fetching take.
  assert.ok(Date.now() - startedAt < intervalMs * 1.1 + 3_000);
  assert.deepEqual(w.looks, ["poll"]);
  stop.abort(new Error("done"));
  await polling;
});

test("of many pushes in a row none is lost: the last look sees the last", { skip }, async () => {
  await using w = await world();
  await w.addWebhook("json");
  let last = "";
  for (let n = 0; n < 20; n += 1) last = await pushed(w, `push ${n}`);
  await until("the mirror has the last commit", async () => (await headOf(w)) === last);
});

test("a forge that does not let us in is an error at once, and no prompt", { skip }, async () => {
  await using w = await world();
  const startedAt = Date.now();
  for (const credentials of [null, new Secret("wrong")]) {
    await assert.rejects(lsRemote(w.url, credentials, never), (error: Error & { code?: string }) => {
      assert.equal(error.code, "REMOTE_REFUSED", error.message);
      assert.doesNotMatch(error.message, /wrong|Basic/);
      return true;
    });
  }
  await assert.rejects(lsRemote(`${forgeUrl}/${user}/none.git`, new Secret(token), never), { code: "REMOTE_REFUSED" });
  await assert.rejects(lsRemote("http://127.0.0.1:1/a.git", null, never), { code: "REMOTE_UNREACHABLE" });
  assert.ok(Date.now() - startedAt < 10_000);
});
