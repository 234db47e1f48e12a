import assert from "node:assert/strict";
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

interface Listed {
  readonly runs: readonly RunView[];
}

const runsOf = async (name: string): Promise<readonly RunView[]> =>
  ((await served.json(["runs", name])) as Listed).runs;

async function deploy(files: Readonly<Record<string, string>>): Promise<void> {
  const pushed = await clone.push({ "jobs/README": "x\n", ...files });
  assert.equal(pushed.exitCode, 0, pushed.stderr);
}

test("a job is deployed, run with parameters, and leaves a result and files", async () => {
  const schema =
    "{type: object, properties: {epochs: {type: integer, minimum: 1}, name: {type: string}}, additionalProperties: false}";
  await deploy({
    "deployments/train.yaml": job(
      `echo "epochs $WAYBILL_PARAM_EPOCHS of" {{ name }}; echo '{"loss": 0.5}' > "$WAYBILL_RESULT"; echo m > "$WAYBILL_OUTPUT/model.txt"`,
      `parameters: {schema: ${schema}, values: {epochs: 3, name: base}}\n`,
    ),
  });
  await until("the job is ready", async () => {
    const { deployments } = (await served.json(["status", "train"])) as { deployments: { state: string }[] };
    return deployments[0]?.state === "ready";
  });
  const said = await served.cli(["run", "train", "--param", "epochs=10", "-p", 'name=$(id) `id` "x"', "--watch"]);
  assert.equal(said.status, 0, said.err + said.out);
  assert.match(said.out, /epochs 10 of \$\(id\) `id` "x"/);
  assert.match(said.out, /is Completed/);
  const [run] = await runsOf("train");
  assert.ok(run);
  assert.deepEqual(run.result, { loss: 0.5 });
  assert.deepEqual(run.files, [{ path: "model.txt", bytes: 2 }]);
  const refused = await served.cli(["run", "train", "-p", "epochs=0", "-p", "other=1"]);
  assert.equal(refused.status, 1);
  assert.match(refused.err, /PARAMETERS_INVALID/);
  assert.match(refused.err, /epochs/);
  assert.match(refused.err, /other/);
});

test("a failing run says why, is retried by a person, and its status is not 0", async () => {
  await deploy({ "deployments/fails.yaml": job("echo no such table; exit 3") });
  await until("it is there", async () => (await served.cli(["run", "fails", "--in", "1h"])).status === 0);
  const said = await served.cli(["run", "fails", "--watch"]);
  assert.equal(said.status, 1);
  assert.match(said.out, /is Failed after .*: exited with status 3/);
  assert.match(said.out, /no such table/);
  const [failed, scheduled] = await runsOf("fails");
  assert.deepEqual([failed?.state, scheduled?.state], ["Failed", "Scheduled"]);
  const again = await served.cli(["retry", failed?.id ?? "", "--watch"]);
  assert.equal(again.status, 1);
  assert.equal((await runsOf("fails"))[0]?.attempt, 2);
  assert.equal((await served.cli(["cancel", scheduled?.id ?? ""])).status, 0);
  assert.equal((await runsOf("fails"))[1]?.state, "Cancelled");
});

test("one at a time: the others wait, say for whom, and follow in order", async () => {
  await deploy({ "deployments/slow.yaml": job("sleep 30", "concurrency: {limit: 1}\n") });
  await until("it is there", async () => (await served.cli(["run", "slow"])).status === 0);
  await served.json(["run", "slow"]);
  await served.json(["run", "slow"]);
  const [third, second, first] = await runsOf("slow");
  assert.ok(first && second && third);
  await until("the first runs", async () => (await runsOf("slow"))[2]?.state === "Running");
  assert.equal(second.state, "AwaitingConcurrencySlot");
  assert.match((await served.cli(["runs", "slow"])).out, new RegExp(`1 of 1 is held by run ${first.id}`));
  await served.json(["cancel", first.id]);
  await until("the second runs", async () => (await runsOf("slow"))[1]?.state === "Running");
  assert.deepEqual(
    (await runsOf("slow")).map(({ state }) => state),
    ["AwaitingConcurrencySlot", "Running", "Cancelled"],
  );
  await served.json(["cancel", third.id]);
  await served.json(["cancel", second.id]);
  await until("all have ended", async () => (await runsOf("slow")).every(({ state }) => state === "Cancelled"));
});

test("schedules fire, and are paused by a person through deploys", async () => {
  await deploy({
    "deployments/tick.yaml": job(
      "echo tick",
      "schedules: [{name: pulse, interval: PT1S}, {name: later, interval: PT1H}]\n",
    ),
  });
  await until("it fires", async () => (await runsOf("tick")).filter(({ state }) => state === "Completed").length >= 2);
  const paused = await served.cli(["schedules", "tick", "--pause", "pulse", "--note", "enough"]);
  assert.match(paused.out, /pulse\s+paused.*enough/);
  await deploy({ "deployments/tick.yaml": job("echo tock", "schedules: [{name: pulse, interval: PT1S}]\n") });
  const before = (await runsOf("tick")).length;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const runs = await runsOf("tick");
  assert.ok(runs.length <= before + 1, `${runs.length - before} runs came of a paused schedule`);
  assert.equal(new Set(runs.map(({ scheduledFor }) => scheduledFor)).size, runs.length, "each time is one run");
});

test("runs outlive the server, and are adopted by the next", async () => {
  await deploy({ "deployments/long.yaml": job(`sleep 4; echo '"done"' > "$WAYBILL_RESULT"`) });
  await until("it is there", async () => (await served.cli(["run", "long"])).status === 0);
  await until("it runs", async () => (await runsOf("long"))[0]?.state === "Running");
  await served.stop();
  await served.start({ stopWorkloads: true });
  await until("it is over", async () => (await runsOf("long"))[0]?.state === "Completed");
  const [run] = await runsOf("long");
  assert.equal(run?.result, "done");
  assert.equal(run?.attempt, 1);
});

test("a job is run by the form on its page, and its run's page tells the whole of it", async () => {
  const parameters = "parameters: {schema: {type: object, properties: {rows: {type: integer}}}, values: {rows: 1}}\n";
  await deploy({
    "deployments/page.yaml": job('echo "$WAYBILL_PARAM_ROWS rows"; echo 7 > "$WAYBILL_RESULT"', parameters),
  });
  const browse = (path: string, form?: Record<string, string>): Promise<Response> =>
    fetch(served.url + path, {
      redirect: "manual",
      headers: { authorization: `Bearer ${served.token}` },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
  const form = "/deployments/shop/production/page/run";
  await until("the job can be run", async () => (await browse(form)).status === 200);
  const ran = await browse(form, { "parameter-rows": "40", name: "by form" });
  assert.equal(ran.status, 303);
  const path = ran.headers.get("location") ?? "";
  const log = await (await browse(`/api/v1${path}/logs?format=events&follow=true`)).text();
  assert.match(log, /40 rows[^]*event: end/);
  const text = async (): Promise<string> => (await browse(path)).text();
  await until("the page says the end", async () => (await text()).includes('data-state="Completed"'));
  const page = await text();
  for (const said of ["by form", "40 rows", "Exit status", "Result"]) assert.ok(page.includes(said), said);
});
