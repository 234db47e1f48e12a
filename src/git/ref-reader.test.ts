import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnHere, type Spawn } from "../core/spawn.ts";
import { makeRefReader } from "./ref-reader.ts";

let folder: string;
let commit: string;
let started = 0;
const spawn: Spawn = (...args) => {
  started += 1;
  return spawnHere(...args);
};
const git = (...args: string[]): string =>
  execFileSync("git", args, { cwd: folder, env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } })
    .toString()
    .trim();

before(() => {
  folder = mkdtempSync(join(tmpdir(), "waybill-refs-"));
  git("init", "--quiet", "--bare", "--initial-branch=main");
  const tree = git("mktree", "--missing");
  commit = git("-c", "user.name=a", "-c", "user.email=a@localhost", "commit-tree", tree, "-m", "words");
});
after(() => rmSync(folder, { recursive: true }));

const settled = (): Promise<void> => sleep(60);

test("what has not changed is read once, and every change by Git is seen", async () => {
  const read = makeRefReader({ path: folder, env: {}, spawn });
  git("update-ref", "refs/heads/main", commit);
  await settled();
  const first = await read();
  const { asOf, ...again } = await read();
  assert.equal(started, 1);
  assert.ok(asOf > first.asOf, "read again, as far as anybody can tell");
  assert.deepEqual([...again.branches.keys()], ["main"]);
  const changes: [string, string[]][] = [
    ["a branch", ["update-ref", "refs/heads/other", commit]],
    ["a branch in a folder", ["update-ref", "refs/heads/deep/er/one", commit]],
    ["a snapshot", ["update-ref", "refs/tags/waybill/production/1", commit]],
    ["the next snapshot", ["update-ref", "refs/tags/waybill/production/2", commit]],
    ["one less", ["update-ref", "-d", "refs/tags/waybill/production/2"]],
    ["no more branches in the folder", ["update-ref", "-d", "refs/heads/deep/er/one"]],
    ["refs in one file", ["pack-refs", "--all"]],
    ["one less of that file", ["update-ref", "-d", "refs/heads/other"]],
    ["another default branch", ["symbolic-ref", "HEAD", "refs/heads/trunk"]],
  ];
  for (const [name, args] of changes) {
    git(...args);
    const startedBefore: number = started;
    const { asOf: _, ...found } = await read();
    const { asOf: __, ...wanted } = await makeRefReader({ path: folder, env: {}, spawn: spawnHere })();
    assert.deepEqual(found, wanted, name);
    assert.equal(started, startedBefore + 1, name);
    await settled();
    await read();
  }
});

test("changes in one tick of the clock are all seen", async () => {
  const read = makeRefReader({ path: folder, env: {}, spawn });
  for (let round = 0; round < 30; round += 1) {
    git("update-ref", `refs/heads/b${round}`, commit);
    assert.ok((await read()).branches.has(`b${round}`));
  }
});
