import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openCommandLine } from "../../test/support/command-line.ts";

const line = openCommandLine();
const { waybill, json } = line;

const git = (cwd: string, ...args: string[]): string =>
  execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  }).trim();

function makeCheckout(name: string): string {
  const root = join(line.folder, name);
  mkdirSync(join(root, "deployments"), { recursive: true });
  mkdirSync(join(root, "services/web"), { recursive: true });
  git(line.folder, "init", "--quiet", "--initial-branch=main", root);
  writeFileSync(
    join(root, "deployments/web.yaml"),
    "apiVersion: waybill/v1\nkind: service\nsource: {path: services/web}\ncommand: node server.js\n",
  );
  writeFileSync(join(root, "services/web/server.js"), "first\n");
  git(root, "add", "--all");
  git(root, "commit", "--quiet", "--message", "first");
  return root;
}

test("plan hashes the working tree as a commit would, and leaves the index alone", async () => {
  const root = makeCheckout("planned");
  writeFileSync(join(root, "services/web/server.js"), "second\n");
  writeFileSync(join(root, "services/web/new.js"), "new\n");
  const before = [git(root, "status", "--porcelain"), readFileSync(join(root, ".git/index")).toString("hex")];
  let asked: { trees: Record<string, string> } | undefined;
  const plan = line.app.release.plan.bind(line.app.release);
  Object.assign(line.app.release, {
    plan: (request: { trees: Record<string, string> } & Parameters<typeof plan>[0]) => (
      (asked = request),
      plan(request)
    ),
  });
  const { changes } = await json<{ changes: { name: string }[] }>("plan", { cwd: join(root, "services") });
  assert.deepEqual(changes, [
    {
      name: "web",
      action: "replace",
      fields: [{ path: "env.LOG_LEVEL", from: "info", to: "debug" }],
      reasons: ["env.LOG_LEVEL changed"],
    },
  ]);
  assert.deepEqual(
    [git(root, "status", "--porcelain"), readFileSync(join(root, ".git/index")).toString("hex")],
    before,
  );
  const objects = git(root, "count-objects");
  git(root, "add", "--all");
  git(root, "commit", "--quiet", "--message", "second");
  assert.deepEqual(asked?.trees, {
    ".": git(root, "rev-parse", "HEAD^{tree}"),
    "services/web": git(root, "rev-parse", "HEAD:services/web"),
  });
  assert.notEqual(git(root, "count-objects"), objects, "planning wrote no object");
});

test("plan refuses what a push would: links and folders where files should be, and large files", async () => {
  const cwd = makeCheckout("linked");
  symlinkSync("web.yaml", join(cwd, "deployments/link.yaml"));
  mkdirSync(join(cwd, "deployments/folder.yml"));
  writeFileSync(join(cwd, "deployments/folder.yml/x"), "");
  writeFileSync(join(cwd, "deployments/large.yaml"), "#".repeat(2 ** 20 + 1));
  writeFileSync(join(cwd, "deployments/ignored.yaml"), "#".repeat(2 ** 20 + 1));
  writeFileSync(join(cwd, ".gitignore"), "ignored.yaml\n");
  const { status, err } = await waybill("plan", { cwd });
  assert.equal(status, 1);
  const lines = err.split("\n").filter((line) => line.includes(":1:1 "));
  assert.deepEqual(
    lines.map((line) => line.replace(/^waybill: /, "")),
    [
      "deployments/folder.yml:1:1 FILE_NOT_REGULAR deployments/folder.yml is a folder, which Waybill does not follow. Commit a plain file in its place.",
      "deployments/link.yaml:1:1 FILE_NOT_REGULAR deployments/link.yaml is a symbolic link, which Waybill does not follow. Commit a plain file in its place.",
      "deployments/large.yaml:1:1 FILE_TOO_LARGE the file is 1048577 bytes; at most 1048576 are read",
    ],
  );
  rmSync(join(cwd, "deployments"), { recursive: true });
  symlinkSync("services", join(cwd, "deployments"));
  assert.match(
    (await waybill("plan", { cwd })).err,
    /deployments:1:1 FILE_NOT_REGULAR .* Commit a folder in its place/,
  );
});

test("plan reads like a plan, and in colour where somebody looks", async () => {
  const cwd = makeCheckout("read");
  const { out } = await waybill("plan", { cwd });
  assert.match(
    out,
    /^± replace service web: env\.LOG_LEVEL changed\n {4}env\.LOG_LEVEL: "info" -> "debug"\n1 to replace\n/,
  );
  const coloured = await waybill("plan", { cwd, isColoured: true });
  assert.ok(coloured.out.startsWith("\u001B[33m± replace"));
  const outside = mkdtempSync(join(tmpdir(), "waybill-cli-outside-"));
  const said = await waybill("plan", { cwd: outside });
  rmSync(outside, { recursive: true });
  assert.match(said.err, /is not in a Git repository/);
});

test("the repository is the one that the folder pushes to, or the only one, or asked for", async () => {
  const cwd = makeCheckout("chosen");
  line.app.release.world.repositories.push({ name: "blog", url: null, defaultBranch: "main", problem: null });
  const asked = await waybill("history", { cwd });
  assert.equal(
    asked.err,
    "error USAGE no remote of this folder says which repository is meant: give --repository blog | shop",
  );
  assert.equal(asked.status, 2);
  git(cwd, "remote", "add", "origin", "https://github.com/team/blog.git");
  git(cwd, "remote", "add", "waybill", `http://x:token@127.0.0.1:${line.port}/git/shop.git`);
  assert.equal((await json<{ snapshots: unknown[] }>("history", { cwd })).snapshots.length, 5);
  assert.match((await waybill("history --repository blog", { cwd })).err, /NOT_FOUND/);
});

test("validate needs no server, and exits 1 with problems", async () => {
  const cwd = makeCheckout("validated");
  const good = await waybill("validate", { cwd, env: {} });
  assert.deepEqual([good.status, good.out, good.err], [0, "no problems in 1 file", ""]);
  writeFileSync(
    join(cwd, "deployments/bad.yaml"),
    "apiVersion: waybill/v1\nkind: service\ncommand: x\nsize: gpu-smal\n",
  );
  const bad = await waybill("validate --json", { cwd, env: {} });
  assert.equal(bad.status, 1);
  const { problems } = JSON.parse(bad.out) as { problems: Record<string, unknown>[] };
  assert.deepEqual(
    problems.map(({ file, line, column, code }) => [file, line, column, code]),
    [["deployments/bad.yaml", 4, 7, "SIZE_UNKNOWN"]],
  );
  assert.deepEqual(Object.keys(problems[0] ?? {}).toSorted(), ["code", "column", "file", "line", "message"]);
  const one = await waybill("validate deployments/bad.yaml", { cwd, env: {} });
  assert.match(one.out, /^deployments\/bad\.yaml:4:7 SIZE_UNKNOWN .*\nSizes were looked up .*\n1 problem in 1 file$/);
});

test("init writes a file once, and names the next steps", async () => {
  const root = join(line.folder, "fresh-app");
  mkdirSync(root);
  writeFileSync(join(root, "server.js"), "require('node:http').createServer().listen(process.env.PORT)\n");
  const said = await waybill("init", { cwd: root });
  assert.match(said.out, /^Saw a Node server in server\.js, and wrote deployments\/fresh-app\.yaml:\n/);
  assert.match(said.out, new RegExp(`git remote add waybill ${line.url}/git/fresh-app\\.git`));
  const written = readFileSync(join(root, "deployments/fresh-app.yaml"), "utf8");
  assert.match(
    written,
    /^# yaml-language-server: \$schema=\.\.\/deploy\.schema\.json\napiVersion: waybill\/v1\nkind: service\ncommand: node server\.js\n/,
  );
  assert.equal((JSON.parse(readFileSync(join(root, "deploy.schema.json"), "utf8")) as { type: string }).type, "object");
  const again = await waybill("init", { cwd: root });
  assert.match(again.err, /exists already, and is left as it is/);
  assert.equal(again.status, 1);
  assert.equal(readFileSync(join(root, "deployments/fresh-app.yaml"), "utf8"), written);
});
