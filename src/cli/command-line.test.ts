import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, beforeEach, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { listen, type Listening } from "../http/listen.ts";
import { makeTestApp, type TestApp } from "../../test/support/http-app.ts";
import { runCommandLine } from "./program.ts";

let app: TestApp;
let server: Listening;
let folder: string;
let url: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "waybill-cli-"));
  server = await listen(
    { fetch: (request: Request) => app.app.fetch(request) },
    { port: 0, hostname: "127.0.0.1", graceMs: 100 },
  );
  url = `http://localhost:${server.port}`;
});

beforeEach(() => {
  app = makeTestApp();
});

after(async () => {
  app.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

interface Setting {
  readonly env?: Record<string, string>;
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly isColoured?: boolean;
}

async function waybill(
  args: string,
  { env, input = "", cwd = folder, isColoured = false }: Setting = {},
): Promise<Said> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runCommandLine(args.match(/"[^"]*"|\S+/g)?.map((arg) => arg.replaceAll('"', "")) ?? [], {
    env: env ?? { WAYBILL_URL: url, WAYBILL_TOKEN: "anna", XDG_CONFIG_HOME: join(folder, "config") },
    cwd,
    stdin: Readable.from(input === "" ? [] : [input]),
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    isColoured,
    columns: 80,
    signal: AbortSignal.timeout(5000),
  });
  return { status, out: out.join("\n"), err: err.join("\n") };
}

const json = async <Value>(args: string, setting?: Setting): Promise<Value> => {
  const { status, out, err } = await waybill(`${args} --json`, setting);
  assert.equal(status, 0, err);
  return JSON.parse(out) as Value;
};

test("status --json has exactly the fields that scripts count on", async () => {
  const { deployments } = await json<{ deployments: Record<string, unknown>[] }>("status");
  assert.equal(deployments.length, 6);
  const [first] = deployments;
  assert.deepEqual(Object.keys(first ?? {}), [
    "repository",
    "environment",
    "name",
    "kind",
    "state",
    "reason",
    "snapshot",
    "commit",
    "url",
    "drift",
    "deployJobs",
  ]);
});

test("status is a table, with the reason under what is in trouble", async () => {
  const { out } = await waybill("status --environment production");
  assert.deepEqual(out.split("\n"), [
    "ENVIRONMENT  NAME    KIND     STATE     SNAPSHOT  SINCE       URL",
    "production   docs    site     ready     5         2 d ago     http://docs.localhost:8080",
    "production   mailer  worker   failed    8         12 min ago",
    "    crashed with status 1: KeyError: 'SMTP_HOST'",
    "production   ranker  service  degraded  8         12 min ago  http://ranker.localhost:8080",
    "    health check answers 500 (3 of the last 10)",
    "production   web     service  ready     8         12 min ago  http://web.localhost:8080",
  ]);
  const coloured = await waybill("status --environment production", { isColoured: true });
  assert.notEqual(coloured.out, out);
  assert.equal(stripVTControlCharacters(coloured.out), out, "colours move nothing");
});

test("status names repositories that cannot be read", async () => {
  const [shop] = app.world.repositories;
  assert.ok(shop);
  app.world.repositories.splice(0, 1, { ...shop, problem: "example.org does not answer" });
  try {
    assert.match((await waybill("status")).out, /\n\nshop: example\.org does not answer$/);
    const { repositories } = await json<{ repositories: unknown }>("status");
    assert.deepEqual(repositories, [{ name: "shop", problem: "example.org does not answer" }]);
    assert.doesNotMatch((await waybill("status web")).out, /example\.org/);
  } finally {
    app.world.repositories.splice(0, 1, shop);
  }
});

test("history --json has exactly the fields that scripts count on, newest first", async () => {
  const { snapshots } = await json<{ snapshots: { number: number }[] }>("history production");
  assert.deepEqual(
    snapshots.map(({ number }) => number),
    [8, 7, 6, 5, 4],
  );
  assert.deepEqual(Object.keys(snapshots[0] ?? {}), [
    "tag",
    "number",
    "commit",
    "actor",
    "at",
    "reason",
    "reverts",
    "active",
    "held",
  ]);
});

test("rollback, hold and release", async () => {
  const back = await waybill('rollback production --to waybill/production/6 --only ranker --note "too slow"');
  assert.match(
    back.out,
    /^ranker in production goes back to commit c07d93eec0, as waybill\/production\/9\.\nproduction is on hold/,
  );
  assert.equal((await waybill("release production")).status, 0);
  assert.equal((await waybill("hold production --note freeze")).status, 0);
  const { snapshot } = await json<{ snapshot: { number: number; reverts: string } }>("rollback production");
  assert.deepEqual([snapshot.number, snapshot.reverts], [10, "waybill/production/9"]);
  assert.deepEqual(app.release.acts, [
    "rollback shop/production to 6 only ranker by anna",
    "release shop/production by anna",
    "hold shop/production by anna",
    "rollback shop/production to 8 by anna",
  ]);
});

test("pause, resume, restart and open find the one deployment", async () => {
  assert.match((await waybill("pause ranker --note lunch")).out, /^ranker is paused/);
  assert.equal((await waybill("restart ranker")).out, "ranker is paused: it starts anew when it is resumed.");
  assert.equal((await waybill("resume ranker -e staging")).status, 0);
  assert.equal((await waybill("restart web")).status, 0);
  assert.deepEqual(app.release.acts, [
    "pause shop/production/ranker by anna",
    "restart shop/production/ranker by anna",
    "resume shop/staging/ranker by anna",
    "restart shop/production/web by anna",
  ]);
  assert.deepEqual(await json("open web"), { url: "http://web.localhost:8080" });
  const worker = await waybill("open mailer");
  assert.deepEqual([worker.status, worker.err], [1, "error NOT_FOUND mailer is a worker and has no address"]);
  const absent = await waybill("pause nope");
  assert.equal(
    absent.err,
    "error NOT_FOUND there is no deployment nope in production that you may see (there: docs, mailer, ranker, web)",
  );
});

test("logs, as text and as lines of JSON", async () => {
  assert.equal((await waybill("logs web --lines 1")).out, "2026-03-04T10:15:03 GET /favicon.ico 404 1 ms");
  const { out } = await waybill("logs web --lines 2 --json");
  assert.deepEqual(
    out.split("\n").map((line) => (JSON.parse(line) as { stream: string }).stream),
    ["stdout", "stderr"],
  );
});

test("logs --follow goes on with what is said", async () => {
  setTimeout(() => app.say({ at: "2026-03-04T10:16:00.000Z", stream: "waybill", text: "start 2" }), 200);
  setTimeout(() => app.stop(), 400);
  const { out, status } = await waybill("logs web --follow --lines 1");
  assert.deepEqual(out.split("\n"), [
    "2026-03-04T10:15:03 GET /favicon.ico 404 1 ms",
    "2026-03-04T10:16:00 waybill: start 2",
  ]);
  assert.equal(status, 0);
});

test("a secret is set and removed by any name that a file may give it", async () => {
  assert.equal((await waybill("secret set db.url_2", { input: "hunter2\n" })).status, 0);
  assert.equal((await waybill("secret rm db.url_2")).status, 0);
});

test("a secret comes from a pipe, and never from the arguments", async () => {
  const set = await waybill("secret set db-password -e staging", { input: "hunter2\n" });
  assert.equal(set.out, "db-password is set for staging of shop (version 1). What uses it is deployed anew.");
  assert.equal(app.secrets.get("shop/staging/db-password"), "hunter2");
  const { secrets } = await json<{ secrets: { name: string }[] }>("secret list");
  assert.deepEqual(
    secrets.map(({ name }) => name),
    ["db-password"],
  );
  assert.equal((await waybill("secret set db-password hunter2")).status, 2, "an extra argument is refused");
  assert.equal((await waybill("secret set db-password")).status, 2, "an empty value is refused");
  const bytes = await waybill("secret set db-password", { input: Buffer.from([0x80, 0xff, 0x01, 0x6b]) });
  assert.equal(bytes.status, 2);
  assert.match(bytes.err, /the value is not UTF-8 text: for bytes, pipe their base64 in \(base64 -w0 FILE\)/);
  assert.equal((await waybill("secret rm db-password -e staging")).status, 0);
  assert.equal((await waybill("secret rm db-password -e staging")).status, 1);
});

test("tokens: only the token itself goes to standard output", async () => {
  const { out, err } = await waybill("token create ci --role member --expires-in-days 30");
  assert.equal(out, "wb_shown-once");
  assert.match(err, /only time that it is shown/);
  assert.deepEqual(await json("token list"), { tokens: [] });
  assert.equal((await waybill("token revoke t1")).status, 0);
  assert.equal((await waybill("token create ci --role king")).status, 2);
  const invited = await waybill("invite kim --role viewer --group search");
  assert.match(invited.out, /\/sign-in\/link\?token=for-kim$/);
});

test("login keeps a token for its server, readable by nobody else", async () => {
  const env = { XDG_CONFIG_HOME: join(folder, "fresh") };
  const refused = await waybill(`login ${url}`, { env, input: "nobody\n" });
  assert.match(refused.err, /^error SIGN_IN_REQUIRED .* does not know you/);
  const said = await waybill(`login ${url}/some/page`, { env, input: "jon\n" });
  assert.match(said.out, new RegExp(`^You are jon \\(member\\) on ${url}\\. Kept in `));
  const file = join(folder, "fresh/waybill/login.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await waybill("status", { env })).status, 0, "later commands find it");
  const elsewhere = await waybill("status", { env: { ...env, WAYBILL_URL: url.replace("localhost", "127.0.0.1") } });
  assert.match(elsewhere.err, /SIGN_IN_REQUIRED/, "the token goes to no other server");
  writeFileSync(file, "{");
  assert.equal((await waybill("status", { env })).status, 78);
});

test("a port that is none is refused before anything starts", async () => {
  for (const command of ["serve", "demo", "gateway"]) {
    const { status, err } = await waybill(`${command} --port 99999`);
    assert.equal(status, 2);
    assert.match(err, /'99999' is invalid\. It is not a port, which is a number up to 65535\./);
  }
});

test("connect, rebuild", async () => {
  const { repository, webhook } = await json<{ repository: { name: string }; webhook: { secret: string } }>(
    "connect https://example.org/team/Big_Shop.git",
  );
  assert.deepEqual([repository.name, webhook.secret], ["big-shop", "signed-with-this"]);
  assert.equal((await waybill("connect https://example.org/team/Big_Shop.git")).status, 1);
  assert.equal((await waybill("connect https://example.org/")).status, 1);
  assert.deepEqual(await json("rebuild"), { repositories: 2, environments: 2, deployments: 6 });
});

test("errors have their code, and their exit status", async () => {
  const nowhere = { XDG_CONFIG_HOME: folder, WAYBILL_URL: "http://localhost:59999" };
  const cases: readonly (readonly [string, Setting, number, RegExp])[] = [
    [
      "status",
      { env: nowhere },
      69,
      /^error SERVER_UNREACHABLE http:\/\/localhost:59999 does not answer \(ECONNREFUSED\): start it by "waybill serve"/,
    ],
    [
      "status",
      { env: { ...nowhere, WAYBILL_URL: "ftp://x" } },
      78,
      /^error SETTINGS_INVALID "ftp:\/\/x" is no server's address/,
    ],
    [
      "status",
      { env: { WAYBILL_URL: url, XDG_CONFIG_HOME: folder } },
      1,
      /^error SIGN_IN_REQUIRED .* run "waybill login"/,
    ],
    ["rebuild", { env: { WAYBILL_URL: url, WAYBILL_TOKEN: "vera" } }, 1, /^error FORBIDDEN vera has the role viewer/],
    ["rollback production --to yesterday", {}, 2, /^error USAGE --to is "yesterday", not a snapshot's number/],
    ["rollback", {}, 2, /missing required argument 'environment'/],
    ["nonsense", {}, 2, /unknown command 'nonsense'/],
    ["status --nonsense", {}, 2, /unknown option '--nonsense'/],
    ["logs web --lines many", {}, 2, /It is not a whole number/],
  ];
  for (const [args, setting, status, message] of cases) {
    const said = await waybill(args, setting);
    assert.match(said.err, message, args);
    assert.equal(said.status, status, args);
    assert.equal(said.out, "", args);
  }
  const { err } = await waybill("pause nope --json");
  assert.equal((JSON.parse(err) as { error: { code: string } }).error.code, "NOT_FOUND");
  assert.equal((await waybill("--help")).status, 0);
  assert.match((await waybill("--version")).out, /^\d+\.\d+\.\d+$/);
});

test("another server behind the address is told apart", async () => {
  const stranger = await listen(
    { fetch: () => new Response("<h1>Hi</h1>", { status: 404 }) },
    { port: 0, hostname: "127.0.0.1", graceMs: 100 },
  );
  const said = await waybill("status", {
    env: { WAYBILL_URL: `http://localhost:${stranger.port}`, XDG_CONFIG_HOME: folder },
  });
  await stranger.close();
  assert.match(said.err, /answers 404, but not as Waybill does/);
  assert.equal(said.status, 69);
});

const git = (cwd: string, ...args: string[]): string =>
  execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.org", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
  }).trim();

function makeCheckout(name: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, "deployments"), { recursive: true });
  mkdirSync(join(root, "services/web"), { recursive: true });
  git(folder, "init", "--quiet", "--initial-branch=main", root);
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
  const plan = app.release.plan.bind(app.release);
  Object.assign(app.release, {
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
  app.release.world.repositories.push({ name: "blog", url: null, defaultBranch: "main", problem: null });
  const asked = await waybill("history", { cwd });
  assert.equal(
    asked.err,
    "error USAGE no remote of this folder says which repository is meant: give --repository blog | shop",
  );
  assert.equal(asked.status, 2);
  git(cwd, "remote", "add", "origin", "https://github.com/team/blog.git");
  git(cwd, "remote", "add", "waybill", `http://x:token@127.0.0.1:${server.port}/git/shop.git`);
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
  const root = join(folder, "fresh-app");
  mkdirSync(root);
  writeFileSync(join(root, "server.js"), "require('node:http').createServer().listen(process.env.PORT)\n");
  const said = await waybill("init", { cwd: root });
  assert.match(said.out, /^Saw a Node server in server\.js, and wrote deployments\/fresh-app\.yaml:\n/);
  assert.match(said.out, new RegExp(`git remote add waybill ${url}/git/fresh-app\\.git`));
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
