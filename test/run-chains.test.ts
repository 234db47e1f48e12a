import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { RunView } from "../src/runs/view.ts";
import { startWithClone, until, type Clone, type Served } from "./support/served.ts";

let served: Served;
let clone: Clone;

before(async () => {
  ({ served, clone } = await startWithClone("shop", { stopWorkloads: false }));
});
after(() => served.close());

const job = (command: string, more = ""): string =>
  `apiVersion: waybill/v1\nkind: job\nsource: {path: jobs}\ncommand: ${JSON.stringify(command)}\n${more}`;

async function killServer(): Promise<void> {
  const { child } = served.server();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

const runsOf = async (name: string): Promise<readonly RunView[]> =>
  ((await served.json(["runs", name])) as { runs: readonly RunView[] }).runs;

async function deploy(files: Readonly<Record<string, string>>): Promise<void> {
  const pushed = await clone.push({ "jobs/README": "x\n", ...files });
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  const names = Object.keys(files).map((path) => path.replace(/^deployments\/|\.yaml$/g, ""));
  await until("all of it is ready", async () => {
    const { deployments } = (await served.json(["status"])) as { deployments: { name: string; state: string }[] };
    return deployments.filter(({ name, state }) => names.includes(name) && state === "ready").length === names.length;
  });
}

test("a job's runs follow those of another, by how they end, and say after which", async () => {
  await deploy({
    "deployments/extract.yaml": job("exit $WAYBILL_PARAM_STATUS", "parameters: {values: {status: 0}}\n"),
    "deployments/load.yaml": job(
      `echo "after $WAYBILL_AFTER_RUN full $WAYBILL_PARAM_FULL"`,
      "parameters: {values: {full: false}}\nafter: {job: extract, delay: 1s, parameters: {full: true}}\n",
    ),
    "deployments/clean.yaml": job("true", "after: [{job: extract, state: [failed, timed-out]}, {job: load}]\n"),
  });
  const { run } = (await served.json(["run", "extract", "--watch"])) as { run: RunView };
  await until("load has run", async () => (await runsOf("load"))[0]?.state === "Completed");
  const [load] = await runsOf("load");
  assert.deepEqual(load?.trigger, { kind: "after", name: "extract", id: run.id });
  assert.deepEqual(load.parameters, { full: true });
  assert.ok(Date.parse(load.scheduledFor) - Date.parse(run.endedAt ?? "") >= 1_000);
  assert.match((await served.cli(["run-log", load.id])).out, new RegExp(`after ${run.id} full true`));
  assert.match((await served.cli(["runs", "load"])).out, new RegExp(`after ${run.id}`));
  const shown = (await served.api("GET", `/runs/${run.id}`)).body as { followers: { id: string; job: string }[] };
  assert.deepEqual(
    shown.followers.map(({ id, job: name }) => [id, name]),
    [[load.id, "load"]],
  );
  await until("the chain has gone on", async () => (await runsOf("clean"))[0]?.state === "Completed");
  assert.deepEqual(
    (await runsOf("clean")).map(({ trigger }) => trigger),
    [{ kind: "after", name: "load", id: load.id }],
  );
  const failing = await served.cli(["run", "extract", "-p", "status=3", "--watch"]);
  assert.equal(failing.status, 1);
  await until("it is cleaned up", async () => (await runsOf("clean")).length === 2);
  assert.equal((await runsOf("load")).length, 1, "a run that failed is not followed by what waits for completion");
  assert.match((await served.cli(["schedules", "load"])).out, /after: extract \(completed\), 1 s later/);
  assert.match((await served.cli(["schedules", "load"])).out, /followed by: clean \(completed\)/);
});

test("a paused job does not follow, and both sides say so", async () => {
  await served.json(["pause", "load", "--note", "the table is repaired"]);
  await until("it is paused", async () => (await served.cli(["schedules", "load"])).out.includes("not now"));
  const { run } = (await served.json(["run", "extract", "--watch"])) as { run: RunView };
  await until("it was looked at", async () => (await runsOf("extract"))[0]?.chainNote !== "");
  const [extract] = await runsOf("extract");
  assert.equal(extract?.id, run.id);
  assert.match(extract.chainNote, /^load is not started after it: paused by .*: the table is repaired$/);
  await served.json(["resume", "load"]);
  await until("it is resumed", async () => !(await served.cli(["schedules", "load"])).out.includes("not now"));
  assert.equal((await runsOf("load")).length, 1);
});

test("what waits for its delay, and what ended while nobody looked, follows once after kill -9", async () => {
  await deploy({
    "deployments/slow.yaml": job("sleep 2"),
    "deployments/next.yaml": job("true", "after: {job: slow, delay: 3s}\n"),
    "deployments/soon.yaml": job("true", "after: {job: slow}\n"),
  });
  await served.json(["run", "slow"]);
  await until("it runs", async () => (await runsOf("slow"))[0]?.state === "Running");
  await killServer();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await served.start();
  await until("soon has run", async () => (await runsOf("soon"))[0]?.state === "Completed");
  await killServer();
  await served.start();
  await until("next has run", async () => (await runsOf("next"))[0]?.state === "Completed");
  assert.equal((await runsOf("soon")).length, 1);
  assert.equal((await runsOf("next")).length, 1);
});
