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

test("parameters that do not fit are refused, with all that is wrong with them", async () => {
  const schema =
    "{type: object, properties: {epochs: {type: integer, minimum: 1}, name: {type: string}}, additionalProperties: false}";
  const parameters = `parameters: {schema: ${schema}, values: {epochs: 3, name: base}}\n`;
  await deploy({ "deployments/train.yaml": job("true", parameters) });
  await until("the job is ready", async () => {
    const { deployments } = (await served.json(["status", "train"])) as { deployments: { state: string }[] };
    return deployments[0]?.state === "ready";
  });
  const refused = await served.cli(["run", "train", "-p", "epochs=0", "-p", "other=1"]);
  assert.equal(refused.status, 1);
  assert.match(refused.err, /PARAMETERS_INVALID/);
  assert.match(refused.err, /epochs/);
  assert.match(refused.err, /other/);
});

test("a run that is still to come is shown, and can be cancelled", async () => {
  await deploy({ "deployments/later.yaml": job("true") });
  await until("it is there", async () => (await served.cli(["run", "later", "--in", "1h"])).status === 0);
  const [scheduled] = await runsOf("later");
  assert.equal(scheduled?.state, "Scheduled");
  assert.equal((await served.cli(["cancel", scheduled?.id ?? ""])).status, 0);
  assert.equal((await runsOf("later"))[0]?.state, "Cancelled");
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
  const pushed = await clone.push({
    "deployments/tick.yaml": job("echo tock", "schedules: [{name: pulse, interval: PT1S}]\n"),
  });
  assert.match(pushed.stderr, /tick: pulse is paused by \S+ \(enough\): it does not run until it is resumed/);
  const before = (await runsOf("tick")).length;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  const runs = await runsOf("tick");
  assert.ok(runs.length <= before + 1, `${runs.length - before} runs came of a paused schedule`);
  assert.equal(new Set(runs.map(({ scheduledFor }) => scheduledFor)).size, runs.length, "each time is one run");
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
