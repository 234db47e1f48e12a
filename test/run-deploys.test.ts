import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { RunView } from "../src/runs/view.ts";
import type { DeploymentView } from "../src/release/views.ts";
import { service, startWithClone, until, webProgram, type Clone, type Served } from "./support/served.ts";

let served: Served;
let clone: Clone;

before(async () => {
  ({ served, clone } = await startWithClone("shop", { stopWorkloads: false }));
});
after(() => served.close());

const job = (command: string): string =>
  `apiVersion: waybill/v1\nkind: job\nsource: {path: jobs}\ncommand: ${JSON.stringify(command)}\n`;

const runsOf = async (name: string): Promise<readonly RunView[]> =>
  ((await served.json(["runs", name])) as { runs: readonly RunView[] }).runs;

async function deployment(name: string): Promise<DeploymentView | undefined> {
  return ((await served.json(["status", name])) as { deployments: DeploymentView[] }).deployments[0];
}

const answer = async (): Promise<string> => (await served.get("web")).body;

const files = (version: string, migrate: string, smoke = "true"): Record<string, string> => ({
  "web/main.js": webProgram(version),
  "jobs/README": "x\n",
  "deployments/web.yaml": service("web", "deploy: {before: migrate, after: smoke}\n"),
  "deployments/migrate.yaml": job(migrate),
  "deployments/smoke.yaml": job(smoke),
});

test("the job before comes before the switch, the one after follows it, and the push tells of both", async () => {
  const first = await clone.push(files("one", "sleep 0.5; echo migrated"));
  assert.equal(first.exitCode, 0, first.stderr);
  assert.match(first.stderr, /web\s+starting: run \w+ of migrate is Completed after \d+\.\d s/);
  assert.match(first.stderr, /web\s+ready: run \w+ \(deploy\.after\) is Completed after/);
  assert.equal(await answer(), "one");
  const [migrated] = await runsOf("migrate");
  assert.deepEqual(migrated?.trigger, { kind: "before-deploy", name: "web", id: null });
  const web = await deployment("web");
  assert.deepEqual(
    web?.deployJobs.map(({ phase, job: name, state }) => [phase, name, state]),
    [
      ["before", "migrate", "completed"],
      ["after", "smoke", "completed"],
    ],
  );
});

test("unchanged content, a restart and a pause run none again", async () => {
  const pushed = await clone.push({ "README.md": "unchanged\n" });
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  await served.json(["restart", "web"]);
  await until("it is back", async () => (await deployment("web"))?.state === "ready");
  await served.json(["pause", "web"]);
  await until("it is paused", async () => (await deployment("web"))?.state === "paused");
  await served.json(["resume", "web"]);
  await until("it is back", async () => (await deployment("web"))?.state === "ready");
  assert.equal((await runsOf("migrate")).length, 1);
  assert.equal((await runsOf("smoke")).length, 1);
});

test("a job before that fails stops the switch, and its last lines are the reason", async () => {
  const pushed = await clone.push(files("two", "echo no such column; exit 4"));
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  assert.match(pushed.stderr, /1 of \d not live/);
  const web = await deployment("web");
  const [failed] = await runsOf("migrate");
  assert.equal(web?.state, "failed");
  assert.match(web.reason, new RegExp(`^run ${failed?.id} of job migrate \\(deploy.before\\) is Failed after`));
  assert.match(web.reason, /exited with status 4/);
  assert.match(web.reason, /no such column/);
  assert.match(web.reason, /What ran before keeps running/);
  assert.equal(await answer(), "one");
  assert.equal((await runsOf("smoke")).length, 1);
});

test("one after that fails undoes nothing, and is shown", async () => {
  const pushed = await clone.push(files("three", "true", "echo it is slow; exit 5"));
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  assert.match(pushed.stderr, /\(deploy\.after\) is Failed after/);
  assert.equal(await answer(), "three");
  await until("it is noted", async () => (await deployment("web"))?.deployJobs[1]?.state === "failed");
  const web = await deployment("web");
  assert.equal(web?.state, "ready");
  assert.match(
    (await served.cli(["status", "web"])).out,
    /of job smoke after snapshot \d+ failed: is Failed.*status 5/,
  );
});

test("a rollback runs none", async () => {
  const [before, afterwards] = [(await runsOf("migrate")).length, (await runsOf("smoke")).length];
  const said = await served.cli(["rollback", "production", "--to", "1"]);
  assert.equal(said.status, 0, said.err);
  await until("it is back", async () => (await answer()) === "one");
  assert.equal((await runsOf("migrate")).length, before);
  assert.equal((await runsOf("smoke")).length, afterwards);
  await served.json(["release", "production"]);
});

test("after kill -9 while the job before runs, it has run once, and the switch takes place", async () => {
  const many = (await runsOf("migrate")).length;
  const pushing = clone.push(files("four", "sleep 3; echo migrated"));
  await until("it runs", async () => {
    const runs = await runsOf("migrate");
    return runs.length === many + 1 && runs[0]?.state === "Running";
  });
  const { child } = served.server();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  await pushing;
  await served.start();
  assert.notEqual(await answer(), "four");
  await until("it is live", async () => (await answer()) === "four");
  await until("the job after has run", async () => (await runsOf("smoke"))[0]?.trigger.kind === "after-deploy");
  assert.equal((await runsOf("migrate")).length, many + 1);
});

test("a job after that cannot be started does not keep the new revision from being live", async () => {
  const pushed = await clone.push({
    ...files("five", "true"),
    "deployments/smoke.yaml": `${job("true")}state: stopped\n`,
  });
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  assert.equal(await answer(), "five");
  const web = await deployment("web");
  assert.equal(web?.state, "ready");
  assert.match(web.reason, /^deploy\.after was not started: job smoke \(deploy\.after\) is stopped by its file/);
});
