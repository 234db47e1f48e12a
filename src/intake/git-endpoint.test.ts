import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { accept, acceptAll, follow, openEndpoint, remoteLines } from "../../test/support/git-endpoint.ts";
import { commitSha, repositoryName } from "../core/names.ts";
import type { Push, PushGate } from "./push-gate.ts";

test("a first push creates the repository, is checked before and followed after, line by line", async () => {
  const seen: unknown[] = [];
  const gate: PushGate = {
    async check({ updates, objects, identity, repository }) {
      const [update] = updates;
      const { files } = await objects.readFiles(commitSha(update?.after ?? ""));
      seen.push([repository, identity.name, update?.ref, update?.before, files.map(({ path }) => path)]);
      return { accept: true, lines: ["checked 1 file", "plan: create web"] };
    },
    async *follow({ updates, objects }) {
      seen.push([(await objects.refs()).branches.get("trunk") === updates[0]?.after, (await objects.refs()).head]);
      yield "web: starting";
      yield "web: live at http://web.localhost:8080\ntwo lines \u001b[31min one";
    },
  };
  await using w = await openEndpoint(gate);
  await w.clone.write({ "deployments/web.yaml": "kind: service\n" });
  await w.clone.commit("first");
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("shop"), "HEAD:refs/heads/trunk");
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(remoteLines(stderr), [
    "checked 1 file",
    "plan: create web",
    "web: starting",
    "web: live at http://web.localhost:8080",
    "two lines [31min one",
  ]);
  assert.deepEqual(seen, [
    ["shop", "ann", "refs/heads/trunk", null, ["deployments/web.yaml"]],
    [true, "trunk"],
  ]);
  const cloned = await w.clone.tryGit("clone", "--quiet", w.url("shop"), join(w.folder, "again"));
  assert.equal(cloned.exitCode, 0, cloned.stderr);
  assert.ok(existsSync(join(w.folder, "again/deployments/web.yaml")));
});

test("a refused push changes no ref, keeps no object, and shows why", async () => {
  const gate: PushGate = {
    check: async () => ({ accept: false, lines: ["deployments/web.yaml:3:7 SIZE_UNKNOWN no", "refused"] }),
    follow,
  };
  await using w = await openEndpoint(gate);
  const sha = commitSha(await w.clone.commit("x"));
  const { exitCode, stderr } = await w.clone.tryGit(
    "push",
    w.url("demo"),
    "main",
    "main:refs/tags/waybill/production/1",
  );
  assert.equal(exitCode, 1);
  assert.deepEqual(remoteLines(stderr), ["deployments/web.yaml:3:7 SIZE_UNKNOWN no", "refused"]);
  const demo = await w.git.open(repositoryName("demo"));
  assert.deepEqual([...(await demo.refs()).branches], []);
  await assert.rejects(demo.commitInfo([sha]), { code: "GIT_FAILED" });
});

test("what a push brings can be read before it is accepted, be it single files, a pack or large", async () => {
  const read: [number, number, number][] = [];
  const gate: PushGate = {
    async check({ updates, objects }) {
      const commit = commitSha(updates[0]?.after ?? "");
      const { files } = await objects.readFiles(commit);
      const [info] = await objects.commitInfo([commit]);
      const before = info?.parents[0] ?? commit;
      // Git itself sees nothing of what this server reads ahead of it, and the check is made once more.
      assert.equal(await objects.isAncestor(before, commit), true);
      read.push([
        files.length,
        Math.max(...files.map(({ bytes }) => bytes.length)),
        (await objects.readFiles(before)).files.length,
      ]);
      return { accept: true, lines: [] };
    },
    follow,
  };
  await using w = await openEndpoint(gate);
  const push = async (files: Record<string, string>): Promise<void> => {
    await w.clone.write(files);
    await w.clone.commit("x");
    const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
    assert.equal(exitCode, 0, stderr);
  };
  await push({ "deployments/a.yaml": "1" });
  await push(Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`deployments/b${n}.yaml`, `${n}`])));
  await push({ "deployments/c.yaml": randomBytes(400_000).toString("hex") });
  assert.deepEqual(read, [
    [1, 1, 1],
    [151, 3, 1],
    [152, 800_000, 151],
  ]);
});

test("a small push is checked once, and a refusal stays one", async () => {
  const seen: string[] = [];
  let accept = true;
  const gate: PushGate = {
    async check({ updates, objects }) {
      const [info] = await objects.commitInfo([commitSha(updates[0]?.after ?? "")]);
      seen.push(info?.subject ?? "");
      return { accept, lines: [`saw ${info?.subject}`] };
    },
    follow,
  };
  await using w = await openEndpoint(gate);
  await w.clone.write({ "a.txt": "1" });
  await w.clone.commit("one");
  assert.match((await w.clone.tryGit("push", w.url("demo"), "main")).stderr, /saw one/);
  accept = false;
  await w.clone.write({ "a.txt": "2" });
  await w.clone.commit("two");
  const refused = await w.clone.tryGit("push", w.url("demo"), "main");
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /saw two[^]*pre-receive hook declined/);
  assert.deepEqual(seen, ["one", "two"]);
});

test("50 pushes in a row are each checked and followed, and the last one stays", async () => {
  const checked: string[] = [];
  const followed: string[] = [];
  const gate: PushGate = {
    async check({ updates }) {
      checked.push(...updates.map(({ after }) => after ?? ""));
      return { accept: true, lines: [] };
    },
    async *follow({ updates }) {
      followed.push(...updates.map(({ after }) => after ?? ""));
      yield "live";
    },
  };
  await using w = await openEndpoint(gate);
  const commits: string[] = [];
  for (let n = 0; n < 50; n += 1) {
    commits.push(await w.clone.commit(`push ${n}`));
    const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
    assert.equal(exitCode, 0, stderr);
  }
  assert.deepEqual(checked, commits);
  assert.deepEqual(followed, commits);
});

test("ref updates arrive as they are: created, moved, deleted, and of any name", async () => {
  const pushes: Push["updates"][] = [];
  const gate: PushGate = {
    check: async ({ updates }) => {
      pushes.push(updates);
      return { accept: true, lines: [] };
    },
    follow,
  };
  await using w = await openEndpoint(gate);
  const first = await w.clone.commit("first");
  const hostile = [
    "refs/heads/$(id)",
    "refs/heads/`id`",
    "refs/heads/a;b",
    "refs/heads/-x",
    "refs/tags/waybill/production/%2e",

    "refs/heads/'ü'",
  ];
  const result = await w.clone.tryGit("push", w.url("demo"), "main", ...hostile.map((ref) => `main:${ref}`));
  assert.equal(result.exitCode, 0, result.stderr);
  assert.deepEqual(
    pushes[0],
    ["refs/heads/main", ...hostile].map((ref) => ({ ref, before: null, after: first })),
  );
  await w.clone.git("commit", "--quiet", "--amend", "--allow-empty", "--message", "rewritten");
  const second = await w.clone.git("rev-parse", "HEAD");
  await w.clone.git("push", "--quiet", "--force", w.url("demo"), "main", ":refs/heads/a;b");
  assert.deepEqual(pushes[1], [
    { ref: "refs/heads/a;b", before: first, after: null },
    { ref: "refs/heads/main", before: first, after: second },
  ]);
  for (const bad of ["refs/tags/waybill/../x", "refs/heads/.x", "refs/heads/a..b", "refs/heads/x.lock"]) {
    assert.equal((await w.clone.tryGit("push", w.url("demo"), `main:${bad}`)).exitCode === 0, false, bad);
  }
  assert.equal(pushes.length, 2);
});

test("a push of 10 MB arrives whole, chunked and gzipped requests too", async () => {
  await using w = await openEndpoint(acceptAll);
  await w.clone.write({ big: randomBytes(10 * 1024 * 1024) });
  const sha = await w.clone.commit("big");
  // Above http.postBuffer Git sends chunks, and asks with `Expect: 100-continue` when told to authenticate.
  const { exitCode, stderr } = await w.clone.tryGit("-c", "http.postBuffer=65536", "push", w.url("demo"), "main");
  assert.equal(exitCode, 0, stderr);
  assert.equal((await (await w.git.open(repositoryName("demo"))).refs()).branches.get("main"), sha);
  const lsRefs = "0014command=ls-refs\n0000";
  const answer = await fetch(`${w.url("demo")}/git-upload-pack`, {
    method: "POST",
    headers: {
      "content-type": "application/x-git-upload-pack-request",
      "content-encoding": "gzip",
      "git-protocol": "version=2",
    },
    body: gzipSync(lsRefs),
  });
  assert.match(await answer.text(), new RegExp(`${sha} refs/heads/main`));
});

test("pushes beyond the limit wait their turn; one that waits for its deploy holds nobody up", async () => {
  let deploying = 0;
  const enough = Promise.withResolvers<void>();
  const gate: PushGate = {
    check: accept,
    async *follow() {
      deploying += 1;
      if (deploying === 6) enough.resolve();
      await enough.promise;
      yield "live";
    },
  };
  await using w = await openEndpoint(gate, { maxConcurrent: 2 });
  await w.clone.commit("x");
  const names = ["a", "b", "c", "d", "e", "f"];
  const results = await Promise.all(names.map((name) => w.clone.tryGit("push", w.url(name), "main")));
  assert.deepEqual(
    results.map(({ exitCode }) => exitCode),
    names.map(() => 0),
  );
});
