import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { commitSha, environmentName, repositoryName } from "../../core/names.ts";
import { testGit, type TestGit } from "../../../test/support/test-git.ts";
import type { Repository } from "../repository.ts";

const never = new AbortController().signal;

async function mirrored(world: TestGit): Promise<Repository> {
  return world.git.createMirror(repositoryName("mirror"), `file://${world.hosted.path}`);
}

async function push({ clone }: TestGit, ...refspecs: string[]): Promise<string> {
  const sha = await clone.commit("change");
  await clone.git("push", "--quiet", "origin", ...(refspecs.length === 0 ? ["HEAD"] : refspecs));
  return sha;
}

const tags = async (repository: Repository): Promise<string[]> =>
  (await repository.refs()).snapshots.map(({ tag }) => tag);

/** Without the moment of reading. */
const refsOf = async (repository: Repository) => ({ ...(await repository.refs()), asOf: 0 });

async function snapshot(repository: Repository, number: number, commit: string): Promise<void> {
  await repository.createSnapshot({
    environment: environmentName("production"),
    number,
    commit: commitSha(commit),
    tagger: { name: "waybill", email: "waybill@example.org" },
    at: new Date(0),
    message: "x",
    trailers: {},
  });
}

test("a mirror follows its remote's branches, default branch and snapshots", async () => {
  await using world = await testGit();
  const { clone } = world;
  await clone.git("checkout", "--quiet", "-b", "trunk");
  const first = await push(world);
  await clone.git("--git-dir", world.hosted.path, "symbolic-ref", "HEAD", "refs/heads/trunk");
  const mirror = await mirrored(world);
  assert.equal(await mirror.hasChanged(never), true);
  await mirror.fetch(never);
  assert.equal(await mirror.hasChanged(never), false);
  assert.deepEqual([...(await mirror.refs()).branches], [["trunk", first]]);
  assert.equal((await mirror.refs()).head, "trunk");

  await clone.git("tag", "waybill/production/1");
  await clone.git("tag", "v1.0");
  await clone.git("push", "--quiet", "--tags", "origin");
  const second = await push(world, "trunk", "trunk:refs/heads/topic/one");
  assert.equal(await mirror.hasChanged(never), true);
  await mirror.fetch(never);
  assert.deepEqual(
    [...(await mirror.refs()).branches],
    [
      ["topic/one", second],
      ["trunk", second],
    ],
  );
  assert.deepEqual(await tags(mirror), ["waybill/production/1"]);

  await clone.git("push", "--quiet", "origin", ":refs/heads/topic/one", "trunk:refs/heads/topic");
  await mirror.fetch(never);
  assert.deepEqual([...(await mirror.refs()).branches.keys()], ["topic", "trunk"]);
});

test("a rewritten branch is followed", async () => {
  await using world = await testGit();
  await push(world);
  const mirror = await mirrored(world);
  await mirror.fetch(never);
  await world.clone.git("commit", "--quiet", "--amend", "--allow-empty", "--message", "another");
  await world.clone.git("push", "--quiet", "--force", "origin", "main");
  await mirror.fetch(never);
  assert.equal((await mirror.refs()).branches.get("main"), await world.clone.git("rev-parse", "HEAD"));
});

test("a snapshot that the remote moved is not followed, one that it deleted is deleted", async () => {
  await using world = await testGit();
  const { clone } = world;
  const first = await push(world);
  await clone.git(
    "push",
    "--quiet",
    "origin",
    "main:refs/tags/waybill/production/1",
    "main:refs/tags/waybill/production/2",
  );
  const mirror = await mirrored(world);
  await mirror.fetch(never);
  await push(world);
  await clone.git(
    "push",
    "--quiet",
    "--force",
    "origin",
    "main:refs/tags/waybill/production/1",
    ":refs/tags/waybill/production/2",
  );
  assert.deepEqual(await mirror.fetch(never), { movedTags: ["waybill/production/1"] });
  const { snapshots } = await mirror.refs();
  assert.deepEqual(
    snapshots.map(({ tag, commit }) => [tag, commit]),
    [["waybill/production/1", first]],
  );
  assert.equal(await mirror.hasChanged(never), false);
});

test("snapshots made here survive fetching, are pushed, and then belong to the remote too", async () => {
  await using world = await testGit();
  const commit = await push(world);
  const mirror = await mirrored(world);
  await mirror.fetch(never);
  await snapshot(mirror, 1, commit);
  await mirror.fetch(never);
  assert.deepEqual(await mirror.unpushedTags(), ["waybill/production/1"]);
  await mirror.pushTags(["waybill/production/1"], never);
  assert.equal(await mirror.hasChanged(never), false);
  assert.deepEqual(await tags(world.hosted), ["waybill/production/1"]);
  assert.deepEqual(await refsOf(world.hosted), await refsOf(mirror));
  await world.clone.git("push", "--quiet", "origin", ":refs/tags/waybill/production/1");
  assert.deepEqual(await mirror.unpushedTags(), []);
  assert.equal(await mirror.hasChanged(never), true);
  await mirror.fetch(never);
  assert.deepEqual(await tags(mirror), []);
});

test("pushing a snapshot over another one is refused and changes nothing", async () => {
  await using world = await testGit();
  const first = await push(world);
  const mirror = await mirrored(world);
  await mirror.fetch(never);
  await world.clone.git("push", "--quiet", "origin", `${first}:refs/tags/waybill/production/1`);
  await snapshot(mirror, 1, first);
  await assert.rejects(mirror.pushTags(["waybill/production/1"], never), { code: "REMOTE_REFUSED" });
  assert.equal((await world.hosted.refs()).snapshots[0]?.sha, first);
});

test("a remote that lists nothing any more, or is gone, changes nothing here", async () => {
  await using world = await testGit();
  const commit = await push(world);
  await world.clone.git("push", "--quiet", "origin", "main:refs/tags/waybill/production/1");
  const mirror = await mirrored(world);
  await mirror.fetch(never);
  const before = await refsOf(mirror);
  await world.clone.git("--git-dir", world.hosted.path, "update-ref", "-d", "refs/heads/main");
  await world.clone.git("--git-dir", world.hosted.path, "update-ref", "-d", "refs/tags/waybill/production/1");
  await assert.rejects(mirror.fetch(never), { code: "REMOTE_EMPTY" });
  assert.deepEqual(await refsOf(mirror), before);
  await rm(world.hosted.path, { recursive: true });
  await assert.rejects(mirror.fetch(never), (error: { code?: string }) =>
    /^REMOTE_(?:UNREACHABLE|REFUSED)$/.test(error.code ?? ""),
  );
  assert.deepEqual(await refsOf(mirror), before);
  assert.equal(before.branches.get("main"), commit);
});

test("an empty repository can be connected, and is followed once it has something", async () => {
  await using world = await testGit();
  const mirror = await mirrored(world);
  assert.deepEqual(await mirror.fetch(never), { movedTags: [] });
  const commit = await push(world);
  await mirror.fetch(never);
  assert.equal((await mirror.refs()).branches.get("main"), commit);
});

test("a file address needs leave", async () => {
  await using world = await testGit();
  const { makeGit } = await import("../git.ts");
  const strict = makeGit({ folder: `${world.folder}/strict`, log: { debug() {}, info() {}, warn() {}, error() {} } });
  await assert.rejects(strict.createMirror(repositoryName("x"), `file://${world.hosted.path}`), {
    code: "REMOTE_URL_INVALID",
  });
  assert.deepEqual(await strict.list(), []);
});

test("fetching stops when told", async () => {
  await using world = await testGit();
  await push(world);
  const mirror = await mirrored(world);
  await assert.rejects(mirror.fetch(AbortSignal.abort()), { code: "REMOTE_UNREACHABLE" });
});
