import assert from "node:assert/strict";
import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryName } from "../../core/names.ts";
import { testGit } from "../../../test/support/test-git.ts";
import { createRef } from "./new-ref.ts";

async function world() {
  const base = await testGit();
  const { path } = await base.git.createHosted(repositoryName("refs"), "main");
  await base.clone.commit("x");
  await base.clone.git("push", "--quiet", path, "main");
  const sha = await base.clone.git("rev-parse", "HEAD");
  const inBare = (...args: string[]) => base.clone.git("--git-dir", path, ...args);
  return { path, sha: sha.trim(), inBare, [Symbol.asyncDispose]: () => base[Symbol.asyncDispose]() };
}

const ref = "refs/tags/waybill/production/1";

test("a new ref is one that Git finds, and there is only one", async () => {
  await using w = await world();
  assert.equal(createRef(w.path, ref, w.sha), true);
  assert.equal((await w.inBare("rev-parse", ref)).trim(), w.sha);
  assert.equal(createRef(w.path, ref, w.sha), false);
  await w.inBare("fsck", "--strict");
});

test("a ref that Git has packed is there", async () => {
  await using w = await world();
  createRef(w.path, ref, w.sha);
  await w.inBare("pack-refs", "--all", "--prune");
  assert.equal(createRef(w.path, ref, w.sha), false);
  assert.equal(createRef(w.path, "refs/tags/waybill/production/11", w.sha), true);
});

test("whoever holds the lock makes the ref; a lock that a kill left holds nobody up", async () => {
  await using w = await world();
  createRef(w.path, ref, w.sha);
  const next = "refs/tags/waybill/production/2";
  const lock = join(w.path, `${next}.lock`);
  await writeFile(lock, "");
  assert.equal(createRef(w.path, next, w.sha), false);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(lock, longAgo, longAgo);
  assert.equal(createRef(w.path, next, w.sha), true);
  assert.equal((await w.inBare("rev-parse", next)).trim(), w.sha);
});
