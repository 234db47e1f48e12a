import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { service, site, startWithClone, until, webProgram, type Clone, type Served } from "./support/served.ts";

// The whole product as its users meet it: a push, the plan before it, its output, and what the command line says.

let served: Served;
let shop: Clone;

before(async () => {
  ({ served, clone: shop } = await startWithClone("shop"));
});
after(() => served.close());

interface Change {
  readonly name: string;
  readonly action: string;
  readonly fields: readonly { readonly path: string; readonly from: unknown; readonly to: unknown }[];
  readonly reasons: readonly string[];
}

const planned = async (clone = shop, ...args: string[]): Promise<readonly Change[]> =>
  ((await served.json(["plan", ...args], { cwd: clone.path })) as { changes: Change[] }).changes;

const actions = async (): Promise<Record<string, string>> =>
  Object.fromEntries((await planned()).map(({ name, action }) => [name, action]));

const pid = async (label: string, headers = {}): Promise<string> => (await served.get(label, "/pid", headers)).body;

async function accepted(pushing: ReturnType<Clone["push"]>): Promise<string> {
  const { exitCode, stderr } = await pushing;
  assert.equal(exitCode, 0, stderr);
  return stderr
    .split("\n")
    .map((line) => line.replace(/^remote: /, "").trimEnd())
    .join("\n");
}

test("a push prints the plan, the snapshot, each step and the address; the plan said so before", async () => {
  await shop.write({
    "deployments/web.yaml": service("web"),
    "deployments/docs.yaml": site("docs"),
    "web/main.js": webProgram("one"),
    "docs/index.html": "docs one",
  });
  const created = { action: "create", fields: [], reasons: ["the file is new"] };
  assert.deepEqual(await planned(), [
    { name: "docs", ...created },
    { name: "web", ...created },
  ]);
  const said = await accepted(shop.push({}));
  const commit = await shop.git("rev-parse", "HEAD");
  assert.match(said, /plan for production:\n {2}\+ create site docs: the file is new\n {2}\+ create service web/);
  assert.match(said, new RegExp(`snapshot waybill/production/1 on ${commit.slice(0, 7)}`));
  assert.match(said, new RegExp(`\\d\\.\\d s {2}web {3}ready {2}http://web\\.localhost:${served.port}`));
  assert.match(said, /done in \d+\.\d s/);
  assert.equal((await served.get("web")).body, "one");
  assert.equal((await served.get("docs")).body, "docs one");

  const common = {
    repository: "shop",
    environment: "production",
    state: "ready",
    reason: "",
    drift: [],
    deployJobs: [],
  };
  const at = { snapshot: "waybill/production/1", commit };
  assert.deepEqual(await served.json(["status"]), {
    deployments: [
      { ...common, ...at, name: "docs", kind: "site", url: `http://docs.localhost:${served.port}` },
      { ...common, ...at, name: "web", kind: "service", url: `http://web.localhost:${served.port}` },
    ],
    environments: [],
    repositories: [],
  });
  const { snapshots } = (await served.json(["history"])) as { snapshots: { at: string }[] };
  assert.deepEqual(snapshots, [
    {
      tag: "waybill/production/1",
      number: 1,
      commit,
      actor: "bootstrap",
      at: snapshots[0]?.at,
      reason: "",
      reverts: null,
      active: true,
      held: false,
    },
  ]);
});

test("a push with problems is refused with all of them, in the words of validate and plan", async () => {
  const files = {
    "deployments/web.yaml": service("web", "sizee: small\nhealth: nope\n"),
    "deployments/x.yaml":
      "apiVersion: waybill/v1\nkind: service\ncommand: x\nsize: gpu-smal\nsource: {path: ../..}\nworkingDir: ../../etc\n",
  };
  const { exitCode, stderr } = await shop.push(files);
  assert.notEqual(exitCode, 0);
  const { status, out } = await served.cli(["validate", "--json"], { cwd: shop.path });
  assert.equal(status, 1);
  const { problems } = JSON.parse(out) as { problems: Record<string, unknown>[] };
  assert.deepEqual(
    problems.map(({ file, line, column, code }) => `${String(file)}:${Number(line)}:${Number(column)} ${String(code)}`),
    [
      "deployments/web.yaml:6:1 FIELD_UNKNOWN",
      "deployments/web.yaml:7:9 FIELD_VALUE",
      "deployments/x.yaml:4:7 SIZE_UNKNOWN",
      "deployments/x.yaml:5:16 PATH_OUTSIDE",
      "deployments/x.yaml:6:13 PATH_OUTSIDE",
    ],
  );
  const lines = problems.map(
    ({ file, line, column, code, message }) =>
      `${String(file)}:${Number(line)}:${Number(column)} ${String(code)} ${String(message)}`,
  );
  for (const line of lines) assert.ok(stderr.includes(line), `${line}\nis not in\n${stderr}`);
  const plan = await served.cli(["plan"], { cwd: shop.path });
  assert.equal(plan.status, 1);
  for (const line of lines) assert.ok(plan.err.includes(line));
  await shop.git("reset", "--quiet", "--hard", "HEAD~1");
  assert.equal((await served.get("web")).body, "one");
});

test("what changes nothing restarts nothing; access and description change in place, at once", async () => {
  const before = await pid("web");
  const unchanged = await accepted(shop.push({ "README.md": "words" }));
  assert.match(unchanged, /2 unchanged\nsnapshot waybill\/production\/2 .*\nnothing to do: everything is as it should/);
  await shop.write({ "deployments/web.yaml": service("web", "description: changed\n") });
  assert.deepEqual(
    (await planned()).map(({ name, action, fields }) => ({ name, action, fields })),
    [
      { name: "docs", action: "unchanged", fields: [] },
      { name: "web", action: "update", fields: [{ path: "description", from: "", to: "changed" }] },
    ],
  );
  await accepted(shop.push({}));
  assert.equal(await pid("web"), before);
  const guarded = service("web").replace("visibility: public", "visibility: signed-in");
  await accepted(shop.push({ "deployments/web.yaml": guarded }));
  assert.equal((await served.get("web", "/pid")).status, 401);
  assert.equal(await pid("web", { authorization: `token ${served.token}` }), before);
  assert.equal(await pid("web", { authorization: `Bearer ${served.token}` }), before);
  await accepted(shop.push({ "deployments/web.yaml": service("web") }));
  assert.equal(await pid("web"), before);
});

test("a changed program is a new process, a removed file is a removed one", async () => {
  const before = await pid("web");
  await shop.write({ "web/main.js": webProgram("two") });
  assert.deepEqual(await actions(), { docs: "unchanged", web: "replace" });
  await accepted(shop.push({}));
  assert.equal((await served.get("web")).body, "two");
  assert.notEqual(await pid("web"), before);
  await shop.git("rm", "--quiet", "deployments/docs.yaml");
  assert.deepEqual(await actions(), { docs: "delete", web: "unchanged" });
  assert.match(await accepted(shop.push({})), /docs {2}removed/);
  assert.equal((await served.get("docs")).status, 404);
});

test("a kind that changes is told as such", async () => {
  await accepted(shop.push({ "deployments/other.yaml": service("web") }));
  await shop.write({ "deployments/other.yaml": site("docs") });
  const [other] = await planned();
  assert.ok(other);
  assert.deepEqual([other.action, other.reasons], ["replace", ["the source tree changed", "it was a service"]]);
  assert.deepEqual(
    other.fields.filter(({ from, to }) => from === to),
    [],
  );
  await accepted(shop.push({}));
  assert.equal((await served.get("other")).body, "docs one");
});

test("pause stops a deployment through deploys, with who and why; resume and restart", async () => {
  await accepted(shop.push({ "deployments/web.yaml": service("web"), "web/main.js": webProgram("three") }));
  const { deployment } = (await served.json(["pause", "web", "--note", "too hot"])) as {
    deployment: { state: string; reason: string };
  };
  assert.deepEqual([deployment.state, deployment.reason], ["paused", "paused by bootstrap: too hot"]);
  await until("the pause", async () => (await served.get("web")).status === 503);
  assert.match((await served.get("web")).body, /paused by bootstrap: too hot/);
  assert.match(await accepted(shop.push({ "web/main.js": webProgram("four") })), /web +paused: paused by bootstrap/);
  assert.equal((await served.get("web")).status, 503);
  const text = (await served.cli(["status", "web"])).out;
  assert.match(text, / paused +\d+ .*\n {4}paused by bootstrap: too hot/);
  await served.json(["resume", "web"]);
  await until("the newest version", async () => (await served.get("web")).body === "four");
  const before = await pid("web");
  await served.json(["restart", "web"]);
  await until("another process", async () => /^\d+$/.test(await pid("web")) && (await pid("web")) !== before);
  assert.equal((await served.cli(["pause", "nosuch"])).status, 1);
});

test("two environments, each by its branch and under its own name", async () => {
  const settings =
    "apiVersion: waybill/v1\nenvironments:\n  production: {branch: main}\n  staging: {branch: develop}\n";
  await accepted(shop.push({ "waybill.yaml": settings }));
  await shop.git("checkout", "--quiet", "-b", "develop");
  const said = await accepted(shop.push({ "web/main.js": webProgram("next") }, "develop"));
  assert.match(said, /plan for staging:/);
  assert.match(said, /snapshot waybill\/staging\/1 /);
  assert.equal((await served.get("staging--web")).body, "next");
  assert.equal((await served.get("web")).body, "four");
  // A vanished branch deletes nothing.
  assert.match(await accepted(shop.tryGit("push", "origin", ":develop")), /What it deployed keeps running/);
  assert.equal((await served.get("staging--web")).body, "next");
  await shop.git("checkout", "--quiet", "main");
  await accepted(shop.tryGit("push", "origin", ":main"));
  assert.equal((await served.get("web")).body, "four");
  await accepted(shop.tryGit("push", "origin", "main"));
  assert.equal((await served.get("web")).body, "four");
});

test("a name that another repository has is refused with who has it, whatever asks for it", async () => {
  const rival = await served.clone("rival");
  const taken = /HOST_TAKEN the host name "web" belongs to shop\/production\/web: choose another with subdomain:/;
  const refused = await rival.push({ "deployments/web.yaml": site("page"), "page/index.html": "rival" });
  assert.notEqual(refused.exitCode, 0);
  assert.match(refused.stderr, taken);
  assert.match((await served.cli(["plan"], { cwd: rival.path })).err, taken);
  await rival.git("tag", "waybill/production/1");
  const tagged = await rival.tryGit("push", "origin", "waybill/production/1");
  assert.notEqual(tagged.exitCode, 0);
  assert.match(tagged.stderr, taken);
  await accepted(rival.push({ "deployments/web.yaml": site("page", "subdomain: rival\n") }));
  assert.equal((await served.get("rival")).body, "rival");
  assert.equal((await served.get("web")).body, "four");
  await accepted(shop.push({ "README.md": "still ours" }));
});

test("a first push to another branch than main makes that one the default", async () => {
  const legacy = await served.clone("legacy");
  await legacy.git("checkout", "--quiet", "-b", "master");
  await accepted(legacy.push({ "deployments/old.yaml": site("page"), "page/index.html": "old" }, "master"));
  assert.equal((await served.get("old")).body, "old");
});

test("a renamed deployment keeps its address without a failed request, and host names can be exchanged", async () => {
  await accepted(shop.push({ "deployments/web.yaml": service("web") }));
  const over = new AbortController();
  const failures: number[] = [];
  const watching = (async () => {
    while (!over.signal.aborted) {
      const { status } = await served.get("web");
      if (status !== 200) failures.push(status);
    }
  })();
  await shop.git("mv", "deployments/web.yaml", "deployments/front.yaml");
  const broken = service("web", "subdomain: web\nstartScript: exit 5\n");
  assert.match(
    await accepted(shop.push({ "deployments/front.yaml": broken })),
    /web +waiting: kept until front has taken/,
  );
  const said = await accepted(shop.push({ "deployments/front.yaml": service("web", "subdomain: web\n") }));
  assert.match(said, /front +ready[^]*web +removed/);
  over.abort();
  await watching;
  assert.deepEqual(failures, []);

  await accepted(
    shop.push({
      "deployments/x.yaml": site("x"),
      "deployments/y.yaml": service("web"),
      "x/index.html": "x",
    }),
  );
  const exchanged = new AbortController();
  const missing: string[] = [];
  const watchingBoth = (async () => {
    while (!exchanged.signal.aborted) {
      for (const name of ["x", "y"]) {
        const { status } = await served.get(name);
        if (status !== 200) missing.push(`${name} ${status}`);
      }
    }
  })();
  // One of them takes its time.
  const slow = service("web", "subdomain: x\nstartScript: sleep 1\n");
  await accepted(shop.push({ "deployments/x.yaml": site("x", "subdomain: y\n"), "deployments/y.yaml": slow }));
  exchanged.abort();
  await watchingBoth;
  assert.deepEqual(missing, []);
  assert.deepEqual([(await served.get("x")).body, (await served.get("y")).body], ["four", "x"]);
});
