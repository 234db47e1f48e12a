import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { commitSha, environmentName, repositoryName } from "../core/names.ts";
import { isOlder } from "./command.ts";
import { testGit, type TestGit } from "../../test/support/test-git.ts";

const tagger = { name: "Ann Author", email: "ann@example.org" };
const production = environmentName("production");
const at = new Date("2026-03-01T12:00:00Z");

async function pushed({ clone }: TestGit, files: Record<string, string>, message = "change") {
  await clone.write(files);
  const sha = commitSha(await clone.commit(message));
  await clone.git("push", "--quiet", "origin", "HEAD");
  return sha;
}

test("a commit's files are its settings and deployments, in order, with the ids of their content", async () => {
  await using world = await testGit();
  const commit = await pushed(world, {
    "waybill.yaml": "apiVersion: waybill/v1\n",
    "deployments/web.yaml": "kind: service\n",
    "deployments/job.yml": "kind: job\n",
    "deployments/README.md": "no",
    "deployments/deep/x.yaml": "no",
    "other.yaml": "no",
  });
  const { files, problems } = await world.hosted.readFiles(commit);
  assert.deepEqual(
    files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]),
    [
      ["deployments/job.yml", "kind: job\n"],
      ["deployments/web.yaml", "kind: service\n"],
      ["waybill.yaml", "apiVersion: waybill/v1\n"],
    ],
  );
  assert.equal(files[0]?.id, await world.clone.git("rev-parse", "HEAD:deployments/job.yml"));
  assert.deepEqual(problems, []);
});

test("a commit without any of them has no files", async () => {
  await using world = await testGit();
  const commit = await pushed(world, { "README.md": "x" });
  assert.deepEqual(await world.hosted.readFiles(commit), { files: [], problems: [] });
});

test("links, submodules, folders and huge files are problems, and never followed", async () => {
  await using world = await testGit();
  const { clone } = world;
  await clone.write({ "deployments/big.yaml": "#".repeat(1024 * 1024 + 1), "deployments/folder.yaml/x": "" });
  await clone.link("deployments/link.yaml", "/etc/passwd");
  await clone.link("waybill.yaml", "deployments/big.yaml");
  await clone.commit("first");
  await clone.git("update-index", "--add", "--cacheinfo", `160000,${"ab".repeat(20)},deployments/module.yaml`);
  await clone.git("commit", "--quiet", "--message", "second");
  await clone.git("push", "--quiet", "origin", "main");
  const { files, problems } = await world.hosted.readFiles(commitSha(await clone.git("rev-parse", "HEAD")));
  assert.deepEqual(files, []);
  assert.deepEqual(problems.map(({ code, message }) => `${code} ${message}`).sort(), [
    "FILE_NOT_REGULAR deployments/folder.yaml is a folder, which Waybill does not follow. Commit a plain file in its place.",
    "FILE_NOT_REGULAR deployments/link.yaml is a symbolic link, which Waybill does not follow. Commit a plain file in its place.",
    "FILE_NOT_REGULAR deployments/module.yaml is a submodule, which Waybill does not follow. Commit a plain file in its place.",
    "FILE_NOT_REGULAR waybill.yaml is a symbolic link, which Waybill does not follow. Commit a plain file in its place.",
    "FILE_TOO_LARGE deployments/big.yaml is 1048577 bytes; at most 1048576 are read. Move what is large into the source tree.",
  ]);
});

test("a link or a submodule in place of the whole folder is a problem", async () => {
  await using world = await testGit();
  await world.clone.link("deployments", "/etc");
  const commit = await pushed(world, {});
  const { problems } = await world.hosted.readFiles(commit);
  assert.deepEqual(
    problems.map(({ file, code }) => [file, code]),
    [["deployments", "FILE_NOT_REGULAR"]],
  );
});

test("a folder's tree is found by path, and only a folder's", async () => {
  await using world = await testGit();
  const commit = await pushed(world, { "services/web/a.js": "1", "b.txt": "2" });
  const tree = await world.clone.git("rev-parse", "HEAD:services/web");
  assert.equal(await world.hosted.treeAt(commit, "services/web"), tree);
  assert.equal(await world.hosted.treeAt(commit, "./services//web/"), tree);
  assert.equal(await world.hosted.treeAt(commit, "."), await world.clone.git("rev-parse", "HEAD^{tree}"));
  for (const path of ["b.txt", "missing", "services/..", "../x", "services/web\nx", "b.txt/x", ":/x"]) {
    assert.equal(await world.hosted.treeAt(commit, path), null, path);
  }
  const all = await world.hosted.treesAt(commit, [".", "services/web", "missing"]);
  assert.deepEqual([...all.keys()], [".", "services/web", "missing"]);
  assert.equal(all.get("missing"), null);
});

test("a snapshot is an annotated tag that plain Git shows, and reads back as it was made", async () => {
  await using world = await testGit();
  const commit = await pushed(world, { a: "1" });
  const trailers = { "Waybill-Actor": "ann", "Waybill-Reason": "line one\nline two" };
  const made = await world.hosted.createSnapshot({
    environment: production,
    number: 1,
    commit,
    tagger: { name: "Ann <Author>", email: "ann@example.org" },
    at,
    message: "Deploy main",
    trailers,
  });
  assert.deepEqual((await world.hosted.refs()).snapshots, [made]);
  assert.deepEqual(made, {
    tag: "waybill/production/1",
    environment: "production",
    number: 1,
    sha: made.sha,
    commit,
    tagger: { name: "Ann Author", email: "ann@example.org" },
    at,
    message: "Deploy main",
    trailers: { "Waybill-Actor": "ann", "Waybill-Reason": "line one line two" },
  });
  await world.clone.git("fetch", "--quiet", "--tags", "origin");
  const shown = await world.clone.git(
    "for-each-ref",
    "--format=%(objecttype) %(taggername)%0a%(contents)",
    "refs/tags",
  );
  assert.equal(shown.trim(), "tag Ann Author\nDeploy main\n\nWaybill-Actor: ann\nWaybill-Reason: line one line two");
});

test("of two snapshots with one number, exactly one comes to be", async () => {
  await using world = await testGit();
  const commit = await pushed(world, { a: "1" });
  const attempt = () =>
    world.hosted.createSnapshot({ environment: production, number: 7, commit, tagger, at, message: "x", trailers: {} });
  const results = await Promise.allSettled(Array.from({ length: 8 }, attempt));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
  for (const result of results) {
    if (result.status === "rejected") assert.equal((result.reason as { code: string }).code, "SNAPSHOT_EXISTS");
  }
  await world.clone.git("push", "--quiet", "origin", `${commit}:refs/tags/waybill/production/8`);
  await assert.rejects(
    world.hosted.createSnapshot({ environment: production, number: 8, commit, tagger, at, message: "x", trailers: {} }),
    { code: "SNAPSHOT_EXISTS", message: `the snapshot waybill/production/8 exists already, on ${commit}` },
  );
});

test("tags made by hand count when they name a snapshot and point to a commit", async () => {
  await using world = await testGit();
  const { clone } = world;
  const commit = await pushed(world, { a: "1" }, "subject\n\nWaybill-Hold: not the tag's");
  await clone.git("tag", "waybill/production/10");
  await clone.git("tag", "--annotate", "--message", "By hand\n\nWaybill-Only: web", "waybill/production/9");
  await clone.git("tag", "waybill/production/blob", "HEAD:a");
  await clone.git("tag", "waybill/production/11", "HEAD:a");
  await clone.git("tag", "--annotate", "--message", "tree", "waybill/production/12", "HEAD^{tree}");
  await clone.git("tag", "waybill/Production/1");
  await clone.git("tag", "v1");
  await clone.git("push", "--quiet", "--tags", "origin");
  const { snapshots, branches, head } = await world.hosted.refs();
  assert.deepEqual(
    snapshots.map(({ tag, commit: target, tagger: by, message, trailers }) => [
      tag,
      target,
      by?.name,
      message,
      trailers,
    ]),
    [
      ["waybill/production/9", commit, "Ann Author", "By hand", { "Waybill-Only": "web" }],
      ["waybill/production/10", commit, undefined, "", {}],
    ],
  );
  assert.deepEqual([head, [...branches]], ["main", [["main", commit]]]);
  const commitOf = async (name: string) => world.hosted.commitOf(await clone.git("rev-parse", name));
  assert.equal(await commitOf("waybill/production/9"), commit);
  assert.equal(await commitOf("waybill/production/10"), commit);
  assert.equal(await commitOf("waybill/production/11"), null);
  assert.equal(await commitOf("waybill/production/12"), null);
  assert.equal(await world.hosted.commitOf("ab".repeat(20)), null);
});

test("branches of any name that Git admits are only ever data", async () => {
  await using world = await testGit();
  const commit = await pushed(world, { a: "1" });
  const names = ["$(id)", "`id`", "a;b", "--exec=id", "ü/日本", "x&&y", "'q'", '"r"', "refs/heads/main"];
  for (const name of names) await world.clone.git("push", "--quiet", "origin", `${commit}:refs/heads/${name}`);
  const { branches } = await world.hosted.refs();
  assert.deepEqual([...branches.keys()].sort(), [...names, "main"].sort());
  assert.deepEqual(new Set(branches.values()), new Set([commit]));
});

test("ancestors are known, and a commit that is not there is an error", async () => {
  await using world = await testGit();
  const first = await pushed(world, { a: "1" }, "first");
  const second = await pushed(world, { a: "2" }, "second");
  const { hosted } = world;
  assert.equal(await hosted.isAncestor(first, second), true);
  assert.equal(await hosted.isAncestor(second, first), false);
  assert.equal(await hosted.isAncestor(first, first), true);
  const [info] = await hosted.commitInfo([second]);
  assert.deepEqual(
    [info?.subject, info?.author, info?.email, info?.parents],
    ["second", "Ann Author", "ann@example.org", [first]],
  );
  const missing = commitSha("ab".repeat(20));
  await assert.rejects(hosted.commitInfo([missing]), { code: "GIT_FAILED", message: /there is no object abab/ });
  await assert.rejects(hosted.isAncestor(missing, first), { code: "GIT_FAILED" });
  await assert.rejects(hosted.readFiles(missing), { code: "GIT_FAILED" });
});

test("reading goes on when the process that reads is killed", async () => {
  await using world = await testGit();
  const first = await pushed(world, { "deployments/a.yaml": "1" });
  await world.hosted.readFiles(first);
  const second = await pushed(world, { "deployments/a.yaml": "2" });
  const readers = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.includes("cat-file"));
  assert.equal(readers.length, 1);
  process.kill(Number.parseInt(readers[0] ?? "", 10), "SIGKILL");
  const { files } = await world.hosted.readFiles(second);
  assert.equal(Buffer.from(files[0]?.bytes ?? []).toString(), "2");
});

test("reading goes on while and after a repository is packed anew", async () => {
  await using world = await testGit();
  const first = await pushed(world, { "deployments/a.yaml": "1" });
  await world.hosted.readFiles(first);
  const second = await pushed(world, { "deployments/a.yaml": "2" });
  await world.hosted.tidy(new AbortController().signal);
  await world.clone.git("--git-dir", world.hosted.path, "gc", "--quiet", "--prune=now");
  const { files } = await world.hosted.readFiles(second);
  assert.equal(Buffer.from(files[0]?.bytes ?? []).toString(), "2");
});

test("a thousand files of which one changed cost one read", async () => {
  await using world = await testGit();
  const files = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`deployments/d${n}.yaml`, `name: d${n}\n`]));
  const first = await pushed(world, files);
  const before = await world.hosted.readFiles(first);
  const second = await pushed(world, { "deployments/d7.yaml": "changed" });
  const after = await world.hosted.readFiles(second);
  assert.equal(after.files.length, 1000);
  // The very same bytes: they were not read again.
  const unchanged = after.files.filter((file, index) => file.bytes === before.files[index]?.bytes);
  assert.equal(unchanged.length, 999);
});

test("repositories are listed, opened once, and gone when removed", async () => {
  await using world = await testGit();
  const { git } = world;
  await assert.rejects(git.createHosted(repositoryName("demo"), "main"), { code: "CONFLICT" });
  await git.createHosted(repositoryName("another"), "trunk");
  assert.deepEqual(await git.list(), ["another", "demo"]);
  assert.equal(await git.open(repositoryName("demo")), world.hosted);
  assert.equal((await (await git.open(repositoryName("another"))).refs()).head, "trunk");
  await git.remove(repositoryName("another"));
  assert.equal(git.exists(repositoryName("another")), false);
  await assert.rejects(git.open(repositoryName("another")), { code: "NOT_FOUND" });
  await assert.rejects(world.hosted.fetch(new AbortController().signal), { code: "CONFLICT" });
});

test("a Git that takes no settings by environment is refused", () => {
  assert.equal(isOlder(2, 30), true);
  assert.equal(isOlder(1, 99), true);
  assert.equal(isOlder(2, 31), false);
  assert.equal(isOlder(3, 0), false);
});
