import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { acceptAll, follow, openEndpoint, remoteLines } from "../../test/support/git-endpoint.ts";
import { repositoryName } from "../core/names.ts";
import type { PushGate } from "./push-gate.ts";

test("hidden refs can be neither seen nor pushed", async () => {
  await using w = await openEndpoint(acceptAll);
  const sha = await w.clone.commit("x");
  await w.clone.git("push", "--quiet", w.url("demo"), "main");
  await w.clone.git(
    "--git-dir",
    (await w.git.open(repositoryName("demo"))).path,
    "update-ref",
    "refs/waybill/remote/heads/x",
    sha,
  );
  assert.equal((await w.clone.git("ls-remote", w.url("demo"))).includes("refs/waybill"), false);
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main:refs/waybill/remote/heads/y");
  assert.equal(exitCode, 1);
  assert.match(stderr, /deny updating a hidden ref/);
});

test("hooks and settings within a repository never run", async () => {
  await using w = await openEndpoint(acceptAll);
  const { writeFile, mkdir, chmod, appendFile } = await import("node:fs/promises");
  const { path } = await w.git.open(repositoryName("demo"));
  const witness = join(w.folder, "ran");
  await mkdir(join(path, "hooks"), { recursive: true });
  for (const hook of ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"]) {
    await writeFile(join(path, "hooks", hook), `#!/bin/sh\ntouch ${witness}\n`);
    await chmod(join(path, "hooks", hook), 0o755);
  }
  await appendFile(join(path, "config"), `[core]\n\thooksPath = ${join(path, "hooks")}\n`);
  await w.clone.write({ "hooks/pre-receive": `#!/bin/sh\ntouch ${witness}\n`, ".gitattributes": "* filter=evil\n" });
  await w.clone.commit("x");
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
  assert.equal(exitCode, 0, stderr);
  assert.equal(existsSync(witness), false);
});

test("no push gets past the gate when somebody removes our hooks", async () => {
  let checks = 0;
  const gate: PushGate = {
    async check() {
      checks += 1;
      return { accept: false, lines: [] };
    },
    follow,
  };
  await using w = await openEndpoint(gate);
  const { rm, chmod } = await import("node:fs/promises");
  await w.clone.commit("x");
  assert.equal((await w.clone.tryGit("push", w.url("demo"), "main")).exitCode, 1);
  await rm(join(w.folder, "hooks"), { recursive: true });
  assert.equal((await w.clone.tryGit("push", w.url("demo"), "main")).exitCode, 1);
  await rm(join(w.folder, "hooks", "pre-receive"));
  assert.equal((await w.clone.tryGit("push", w.url("demo"), "main")).exitCode, 1);
  await chmod(join(w.folder, "hooks", "pre-receive"), 0o644);
  assert.equal((await w.clone.tryGit("push", w.url("demo"), "main")).exitCode, 1);
  assert.equal(checks, 4);
});

test("objects that Git's own check refuses are refused", async () => {
  await using w = await openEndpoint(acceptAll);
  const blob = await w.clone.hashObject("blob", "x");
  const row = Buffer.concat([Buffer.from("100644 .git\0"), Buffer.from(blob, "hex")]);
  const tree = await w.clone.hashObject("tree", row);
  const commit = await w.clone.git("commit-tree", "-m", "evil", tree);
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), `${commit}:refs/heads/main`);
  assert.equal(exitCode, 1);
  assert.match(stderr, /hasDotgit/);
});

test("who may not see a repository learns nothing of it, who may not push is told so", async () => {
  await using w = await openEndpoint(acceptAll, {
    authorise: (_, action, name) => name !== "hidden" && (name === "demo" ? action === "read" : action !== "create"),
  });
  await w.clone.commit("x");
  const refusal = async (name: string, ...args: string[]) =>
    remoteLines((await w.clone.tryGit(...args, w.url(name), ...(args[0] === "push" ? ["main"] : []))).stderr);
  assert.deepEqual(await refusal("demo", "push"), [
    "waybill: ann may not push demo. Ask an administrator for the role.",
  ]);
  assert.deepEqual(await refusal("fresh", "push"), [
    "waybill: ann may not create fresh. Ask an administrator for the role.",
  ]);
  assert.deepEqual(await refusal("hidden", "push"), ["waybill: there is no repository hidden"]);
  assert.deepEqual(await refusal("fresh", "ls-remote"), [
    "waybill: there is no repository fresh. A push to it creates it.",
  ]);
  assert.equal((await w.clone.tryGit("ls-remote", w.url("demo"))).exitCode, 0);
  assert.equal(w.git.exists(repositoryName("fresh")), false);
});

test("only the smart protocol's own requests are served", async () => {
  await using w = await openEndpoint(acceptAll);
  const status = async (path: string, init?: RequestInit) => (await fetch(`${w.server.url}${path}`, init)).status;
  const post: RequestInit = { method: "POST", body: "0000" };
  assert.equal(await status("/git/demo.git/info/refs?service=git-upload-pack"), 200);
  assert.equal(await status("/git/demo.git/info/refs"), 403);
  assert.equal(await status("/git/demo.git/info/refs?service=git-upload-archive"), 403);
  for (const path of [
    "HEAD",
    "config",
    "objects/info/packs",
    "../../etc/passwd",
    "%2e%2e/x",
    "git-upload-archive",
    "hooks/pre-receive",
  ]) {
    assert.equal(await status(`/git/demo.git/${path}`), 404, path);
  }
  for (const name of ["..", "Demo", "a--b", "-x", "a%2fb", "demo%00", "x".repeat(41)]) {
    assert.equal(await status(`/git/${name}.git/info/refs?service=git-receive-pack`), 404, name);
  }
  assert.equal(await status("/git/demo.git/git-receive-pack"), 400);
  assert.equal(await status("/git/demo.git/info/refs?service=git-receive-pack", post), 400);
  assert.deepEqual(await w.git.list(), ["demo"]);
});

test("a mirror takes no pushes", async () => {
  await using w = await openEndpoint(acceptAll);
  const { path } = await w.git.open(repositoryName("demo"));
  await w.clone.commit("x");
  await w.git.createMirror(repositoryName("mirror"), `file://${path}`);
  const { stderr } = await w.clone.tryGit("push", w.url("mirror"), "main");
  assert.deepEqual(remoteLines(stderr), [
    "waybill: mirror is hosted elsewhere: push there, and it arrives here by itself",
  ]);
});
