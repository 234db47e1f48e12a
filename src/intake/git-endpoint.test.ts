import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import type { Identity } from "../core/identity.ts";
import { silentLog } from "../core/log.ts";
import { commitSha, repositoryName } from "../core/names.ts";
import type { Git } from "../git/git.ts";
import { makeGitEndpoint, type GitEndpoint, type GitEndpointOptions } from "./git-endpoint.ts";
import type { Push, PushGate } from "./push-gate.ts";
import { serveFetch, type TestServer } from "../../test/support/git-server.ts";
import type { WorkingCopy } from "../../test/support/repository.ts";
import { systemClock } from "../core/clock.ts";
import { testGit } from "../../test/support/test-git.ts";

const ann: Identity = { name: "ann", kind: "user", role: "member", groups: [] };
const accept: PushGate["check"] = async () => ({ accept: true, lines: [] });
async function* follow(): AsyncGenerator<string> {}
const acceptAll: PushGate = { check: accept, follow };

interface World {
  readonly server: TestServer;
  readonly endpoint: GitEndpoint;
  readonly git: Git;
  readonly clone: WorkingCopy;
  readonly folder: string;
  readonly url: (name: string) => string;
  [Symbol.asyncDispose](): Promise<void>;
}

async function world(gate: PushGate, options: Partial<GitEndpointOptions> = {}): Promise<World> {
  const base = await testGit();
  const endpoint = makeGitEndpoint({
    git: base.git,
    gate,
    authorise: () => true,
    hooksFolder: join(base.folder, "hooks"),
    log: silentLog,
    clock: systemClock,
    ...options,
  });
  const server = await serveFetch((request) => endpoint.handle(request, ann));
  return {
    server,
    endpoint,
    git: base.git,
    clone: base.clone,
    folder: base.folder,
    url: (name) => `${server.url}/git/${name}.git`,
    async [Symbol.asyncDispose]() {
      await endpoint.close();
      await server.close();
      await base[Symbol.asyncDispose]();
    },
  };
}

const remoteLines = (stderr: string): string[] =>
  [...stderr.matchAll(/^remote: (.*?) *$/gm)].map(([, line = ""]) => line);

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
  await using w = await world(gate);
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
  await using w = await world(gate);
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
  await using w = await world(gate);
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
  await using w = await world(gate);
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
  await using w = await world(gate);
  const commits: string[] = [];
  for (let n = 0; n < 50; n += 1) {
    commits.push(await w.clone.commit(`push ${n}`));
    const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
    assert.equal(exitCode, 0, stderr);
  }
  assert.deepEqual(checked, commits);
  assert.deepEqual(followed, commits);
});

test("a gate that fails refuses the push and tells nothing of its defect", async () => {
  const gate: PushGate = { check: () => Promise.reject(new Error("secret detail")), follow };
  await using w = await world(gate);
  await w.clone.commit("x");
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
  assert.equal(exitCode, 1);
  assert.deepEqual(remoteLines(stderr), ["waybill: a defect in the server; its log says more. Nothing was changed."]);
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
  await using w = await world(gate);
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

test("hidden refs can be neither seen nor pushed", async () => {
  await using w = await world(acceptAll);
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
  await using w = await world(acceptAll);
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
  await using w = await world(gate);
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
  await using w = await world(acceptAll);
  const blob = await w.clone.hashObject("blob", "x");
  const row = Buffer.concat([Buffer.from("100644 .git\0"), Buffer.from(blob, "hex")]);
  const tree = await w.clone.hashObject("tree", row);
  const commit = await w.clone.git("commit-tree", "-m", "evil", tree);
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), `${commit}:refs/heads/main`);
  assert.equal(exitCode, 1);
  assert.match(stderr, /hasDotgit/);
});

test("who may not see a repository learns nothing of it, who may not push is told so", async () => {
  await using w = await world(acceptAll, {
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
  await using w = await world(acceptAll);
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

test("a push of 10 MB arrives whole, chunked and gzipped requests too", async () => {
  await using w = await world(acceptAll);
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

test("a pusher who hangs up stops neither the push nor what follows it", async () => {
  const followed = Promise.withResolvers<string>();
  const checking = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const gate: PushGate = {
    async check() {
      checking.resolve();
      await goOn.promise;
      return { accept: true, lines: ["x".repeat(100_000)] };
    },
    async *follow({ updates }) {
      for (let n = 0; n < 1000; n += 1) yield "y".repeat(1000);
      followed.resolve(updates[0]?.ref ?? "");
    },
  };
  await using w = await world(gate);
  const sha = await w.clone.commit("x");
  const push = w.clone.tryGit("push", w.url("demo"), "main");
  await checking.promise;
  // Every connection of the pusher goes away at once.
  w.server.hangUp();
  goOn.resolve();
  assert.notEqual((await push).exitCode, 0);
  assert.equal(await followed.promise, "refs/heads/main");
  assert.equal((await (await w.git.open(repositoryName("demo"))).refs()).branches.get("main"), sha);
});

test("a client that sends half a push and goes leaves nothing behind", async () => {
  await using w = await world({
    check: () => Promise.reject(new Error("must not be asked")),
    follow,
  });
  const { hostname, port } = new URL(w.server.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    "POST /git/demo.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000000\r\n\r\n0094",
  );
  await delay(200);
  socket.destroy();
  const startedAt = performance.now();
  while (w.endpoint.running() > 0) await delay(20);
  assert.ok(performance.now() - startedAt < 2_000);
  assert.deepEqual([...(await (await w.git.open(repositoryName("demo"))).refs()).branches], []);
});

test("when the server stops during a push, the pusher is told, and the refs are as they were", async () => {
  const checking = Promise.withResolvers<void>();
  const gate: PushGate = {
    check: () => {
      checking.resolve();
      return new Promise(() => undefined);
    },
    follow,
  };
  await using w = await world(gate);
  await w.clone.commit("x");
  const push = w.clone.tryGit("push", w.url("demo"), "main");
  await checking.promise;
  await w.endpoint.close();
  const { exitCode, stderr } = await push;
  assert.notEqual(exitCode, 0);
  assert.deepEqual(remoteLines(stderr), [
    "waybill: the server stopped while it worked on this push. Nothing was changed. Push again.",
  ]);
  assert.deepEqual([...(await (await w.git.open(repositoryName("demo"))).refs()).branches], []);
});

test("a push whose http-backend is killed happens wholly or not at all", async () => {
  const followed: string[] = [];
  const gate: PushGate = {
    async check() {
      const children = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", String(process.pid)], { encoding: "utf8" });
      const [pid] = /\d+(?= git-http)/.exec(children) ?? [];
      process.kill(Number(pid), "SIGKILL");
      return { accept: true, lines: [] };
    },
    async *follow({ updates }) {
      followed.push(...updates.map(({ after }) => after ?? ""));
      yield "live";
    },
  };
  await using w = await world(gate);
  const sha = await w.clone.commit("x");
  const { exitCode } = await w.clone.tryGit("push", w.url("demo"), "main");
  while (w.endpoint.running() > 0) await delay(20);
  const { branches } = await (await w.git.open(repositoryName("demo"))).refs();
  assert.equal(branches.has("main"), exitCode === 0);
  assert.deepEqual(followed, branches.has("main") ? [sha] : []);
  assert.equal((await w.clone.tryGit("ls-remote", w.url("demo"))).exitCode, 0);
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
  await using w = await world(gate, { maxConcurrent: 2 });
  await w.clone.commit("x");
  const names = ["a", "b", "c", "d", "e", "f"];
  const results = await Promise.all(names.map((name) => w.clone.tryGit("push", w.url(name), "main")));
  assert.deepEqual(
    results.map(({ exitCode }) => exitCode),
    names.map(() => 0),
  );
});

test("a mirror takes no pushes", async () => {
  await using w = await world(acceptAll);
  const { path } = await w.git.open(repositoryName("demo"));
  await w.clone.commit("x");
  await w.git.createMirror(repositoryName("mirror"), `file://${path}`);
  const { stderr } = await w.clone.tryGit("push", w.url("mirror"), "main");
  assert.deepEqual(remoteLines(stderr), [
    "waybill: mirror is hosted elsewhere: push there, and it arrives here by itself",
  ]);
});
