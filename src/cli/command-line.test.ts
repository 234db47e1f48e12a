import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { openCommandLine } from "../../test/support/command-line.ts";
import { listen } from "../http/listen.ts";

const line = openCommandLine();
const { waybill, json } = line;

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
  const [shop] = line.app.world.repositories;
  assert.ok(shop);
  line.app.world.repositories.splice(0, 1, { ...shop, problem: "example.org does not answer" });
  try {
    assert.match((await waybill("status")).out, /\n\nshop: example\.org does not answer$/);
    const { repositories } = await json<{ repositories: unknown }>("status");
    assert.deepEqual(repositories, [{ name: "shop", problem: "example.org does not answer" }]);
    assert.doesNotMatch((await waybill("status web")).out, /example\.org/);
  } finally {
    line.app.world.repositories.splice(0, 1, shop);
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
  assert.deepEqual(line.app.release.acts, [
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
  assert.deepEqual(line.app.release.acts, [
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

test("run-log says where lines were left out, and only there", async () => {
  const whole = await waybill("run-log t1 --lines 1");
  assert.match(whole.out, /epoch 1$/);
  assert.equal(whole.err, "");
  const cut = await waybill("run-log t1 --lines 0");
  assert.deepEqual([cut.out, cut.err], ["", "these are the last 0 lines: -n 10000 prints more of them"]);
});

test("logs --follow goes on with what is said", async () => {
  setTimeout(() => line.app.say({ at: "2026-03-04T10:16:00.000Z", stream: "waybill", text: "start 2" }), 200);
  setTimeout(() => line.app.stop(), 400);
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
  assert.equal(line.app.secrets.get("shop/staging/db-password"), "hunter2");
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
  const env = { XDG_CONFIG_HOME: join(line.folder, "fresh") };
  const refused = await waybill(`login ${line.url}`, { env, input: "nobody\n" });
  assert.match(refused.err, /^error SIGN_IN_REQUIRED .* does not know you/);
  const said = await waybill(`login ${line.url}/some/page`, { env, input: "jon\n" });
  assert.match(said.out, new RegExp(`^You are jon \\(member\\) on ${line.url}\\. Kept in `));
  const file = join(line.folder, "fresh/waybill/login.json");
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await waybill("status", { env })).status, 0, "later commands find it");
  const elsewhere = await waybill("status", {
    env: { ...env, WAYBILL_URL: line.url.replace("localhost", "127.0.0.1") },
  });
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
  const nowhere = { XDG_CONFIG_HOME: line.folder, WAYBILL_URL: "http://localhost:59999" };
  const cases: readonly (readonly [string, Parameters<typeof waybill>[1], number, RegExp])[] = [
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
      { env: { WAYBILL_URL: line.url, XDG_CONFIG_HOME: line.folder } },
      1,
      /^error SIGN_IN_REQUIRED .* run "waybill login"/,
    ],
    [
      "rebuild",
      { env: { WAYBILL_URL: line.url, WAYBILL_TOKEN: "vera" } },
      1,
      /^error FORBIDDEN vera has the role viewer/,
    ],
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
    env: { WAYBILL_URL: `http://localhost:${stranger.port}`, XDG_CONFIG_HOME: line.folder },
  });
  await stranger.close();
  assert.match(said.err, /answers 404, but not as Waybill does/);
  assert.equal(said.status, 69);
});
