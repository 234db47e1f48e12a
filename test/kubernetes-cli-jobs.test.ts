import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deployJobs, endedRun, job, runsOf, untilRunIs } from "./conformance/runs.ts";
import { cliSkip } from "./support/cli-engine.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";

// A job of a cluster whose engine is the Pulumi CLI: deployed, run, changed and removed.

const limitMs = 120_000;

describe("jobs by the Pulumi CLI on a cluster", { skip: cliSkip || clusterSkip(), timeout: 600_000 }, () => {
  let world: ClusterWorld;
  before(async () => {
    world = await clusterWorld("    engine: pulumi-cli\n    schedules: cronJobs\n");
    await world.served.cli(["secret", "set", "db"], { cwd: world.shop.path, input: "postgres://x:y@db/shop" });
  });
  after(() => world?.close());

  const report = (more = ""): string =>
    job(
      `cat made.txt; echo with $DATABASE_URL in {{ mode }}; echo '"done"' > "$WAYBILL_RESULT"`,
      `build: cp README made.txt\nsecrets: [{name: db, env: DATABASE_URL}]\nparameters: {schema: {type: object}, values: {mode: full}}\n${more}`,
    );
  const run = (name: string) => world.served.json(["run", name], { cwd: world.shop.path });
  const logOf = async (id: string): Promise<string> => (await world.served.cli(["run-log", id])).out;
  const state = async (): Promise<string> =>
    JSON.stringify(await world.served.json(["stack", "export", "report", "-r", world.repository]));
  const cronJobs = async (): Promise<readonly string[]> => {
    const selection = { apiVersion: "batch/v1", kind: "CronJob", namespace: world.namespace };
    const { items } = await world.cluster.list(selection, patience());
    return items.map((item) => JSON.stringify(item["spec"]));
  };

  test("it is deployed with what its build made, and its runs are as ever", async () => {
    await deployJobs(world, { "jobs/README": "first\n", "deployments/report.yaml": report() });
    assert.match(await state(), /waybill:kubernetes:Source/);
    await run("report");
    const ended = await endedRun(world, "report");
    assert.deepEqual([ended.state, ended.result, ended.reason], ["Completed", "done", ""]);
    assert.match(await logOf(ended.id), /first[^]*with postgres:\/\/x:y@db\/shop in full/);
    assert.doesNotMatch(await state(), /postgres:/);
  });

  test("a change is what the next run runs, while one that goes on is left alone", async () => {
    await deployJobs(world, { "deployments/slow.yaml": job("sleep 20; echo slept") });
    await run("slow");
    await untilRunIs(world, "slow", "Running");
    await deployJobs(world, {
      "jobs/README": "second\n",
      "deployments/report.yaml": report("env: {MORE: words}\n"),
      "deployments/slow.yaml": job("echo at once"),
    });
    await run("report");
    const changed = await endedRun(world, "report");
    assert.match(await logOf(changed.id), /second/);
    const slow = await endedRun(world, "slow");
    assert.equal(slow.state, "Completed", slow.reason);
    assert.match(await logOf(slow.id), /slept/);
  });

  test("its cron schedule is a CronJob, which the CLI makes, changes and removes", async () => {
    const image = `example.org/report@sha256:${"0".repeat(64)}`;
    const yearly = (cron: string): string =>
      job("true", `schedules: [{name: yearly, cron: "${cron}"}]\n`).replace("{path: jobs}", `{image: "${image}"}`);
    await deployJobs(world, { "deployments/yearly.yaml": yearly("0 0 1 1 *") });
    const fires = async (): Promise<boolean> => (await cronJobs()).some((spec) => spec.includes('"suspend":false'));
    await until("it fires", fires, limitMs);
    await world.served.cli(["schedules", "yearly", "--pause", "yearly"], { cwd: world.shop.path });
    assert.ok(!(await fires()));
    await deployJobs(world, { "deployments/yearly.yaml": `${yearly("0 0 1 1 *")}env: {A: b}\n` });
    assert.ok((await cronJobs()).every((spec) => spec.includes('"suspend":true') && spec.includes('"A"')));
    await deployJobs(world, { "deployments/yearly.yaml": yearly("0 0 2 1 *") });
    await until("there is one", async () => (await cronJobs()).length === 1, limitMs);
    assert.match((await cronJobs())[0] ?? "", /"schedule":"0 0 2 1 \*"/);
    await world.shop.git("rm", "--quiet", "deployments/yearly.yaml");
    await world.shop.push({ "README.md": "words" });
    await until("it is gone", async () => (await cronJobs()).length === 0, limitMs);
  });

  test("a removed job has no state and runs no more; its runs are shown", async () => {
    await world.shop.git("rm", "--quiet", "deployments/report.yaml");
    await world.shop.push({ "README.md": "more words" });
    const refused = async () => world.served.cli(["run", "report"], { cwd: world.shop.path });
    await until("it is no job any more", async () => (await refused()).status !== 0, limitMs);
    assert.match((await refused()).err, /NOT_FOUND/);
    await until(
      "its state is gone",
      async () => (await world.served.cli(["stack", "export", "report", "-r", world.repository])).status !== 0,
      limitMs,
    );
    assert.equal((await runsOf(world, "report")).length, 2);
  });
});
