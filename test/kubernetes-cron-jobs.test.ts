import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { deployJobs, runsOf } from "./conformance/runs.ts";
import { patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";
import { putUserImage, userImageSkip } from "./support/user-image.ts";

// Schedules that the cluster fires: with the server, without it, and from one to the other and back.

const limitMs = 150_000;

interface CronJob extends KubeObject {
  readonly spec: { readonly suspend?: boolean; readonly schedule: string; readonly timeZone: string };
}

describe("schedules as CronJobs", { skip: userImageSkip(), timeout: 900_000 }, () => {
  let world: ClusterWorld;
  let image: string;
  before(async () => {
    image = await putUserImage();
    world = await clusterWorld("    schedules: cronJobs\n");
    await world.served.cli(["secret", "set", "db"], { cwd: world.shop.path, input: "postgres://x:y@db/shop" });
  });
  after(() => world?.close());

  const pulse = (more = ""): string => `apiVersion: waybill/v1
kind: job
source: {image: "${image}"}
size: {cpu: 0.01, memory: 32Mi}
command: echo said {{ word }} for $WAYBILL_SCHEDULE as $WAYBILL_RUN with $DATABASE_URL
secrets: [{name: db, env: DATABASE_URL}]
parameters: {schema: {type: object, properties: {word: {type: string}}}, values: {word: base}}
schedules:
  - {name: minute, cron: "* * * * *", parameters: {word: it}}
  - {name: hour, interval: PT1H}
${more}`;
  const listed = async <Kind extends KubeObject>(kind: string): Promise<readonly Kind[]> =>
    (await world.cluster.list<Kind>({ apiVersion: "batch/v1", kind, namespace: world.namespace }, patience())).items;
  const cronJob = async (): Promise<CronJob | undefined> => (await listed<CronJob>("CronJob"))[0];
  const isSuspended = async (): Promise<boolean> => (await cronJob())?.spec.suspend === true;
  const fired = async () => (await listed("Job")).filter(({ metadata }) => metadata.labels?.["waybill.dev/schedule"]);
  const runs = () => runsOf(world, "pulse");
  const set = async (schedules: string): Promise<void> => {
    const file = join(world.served.folder, "server.yaml");
    await writeFile(file, (await readFile(file, "utf8")).replace(/schedules: \w+/, `schedules: ${schedules}`));
  };

  test("whether it fires is no drift; what others make of it is, and is shown", async () => {
    const yearly = pulse().replace(/schedules:[^]*/, 'schedules: [{name: yearly, cron: "0 0 1 1 *"}]\n');
    await deployJobs(world, { "deployments/calm.yaml": yearly });
    const named = async (): Promise<CronJob | undefined> =>
      (await listed<CronJob>("CronJob")).find(({ metadata }) => metadata.name.startsWith("calm-"));
    const drift = async (): Promise<readonly string[]> => {
      const { deployments } = (await world.served.json(["status", "calm"])) as {
        deployments: { drift: { field: string }[] }[];
      };
      return deployments.flatMap((each) => each.drift.map(({ field }) => field));
    };
    await until("it fires", async () => (await named())?.spec.suspend === false, limitMs);
    await deployJobs(world, { "deployments/calm.yaml": `${yearly}env: {A: b}\n` });
    await world.served.cli(["schedules", "calm", "--pause", "yearly"], { cwd: world.shop.path });
    assert.equal((await named())?.spec.suspend, true);
    const name = (await named())?.metadata.name ?? "";
    const reference = { apiVersion: "batch/v1", kind: "CronJob", namespace: world.namespace, name };
    const change = { op: "replace", path: "/spec/schedule", value: "0 0 2 2 *" } as const;
    await world.cluster.patch(reference, [change], { signal: patience(), fieldManager: "somebody" });
    await until("it is shown", async () => (await drift()).length > 0, limitMs);
    assert.deepEqual(await drift(), ["spec.schedule"]);
    await deployJobs(world, { "deployments/calm.yaml": `${yearly}env: {A: c}\n` });
    assert.equal((await named())?.spec.schedule, "0 0 1 1 *");
    assert.equal((await named())?.spec.suspend, true);
    await world.shop.git("rm", "--quiet", "deployments/calm.yaml");
    await deployJobs(world, { "deployments/still.yaml": yearly.replace(/schedules:[^]*/, "") });
  });

  test("a cron schedule is fired by its cluster, and its run is in the list as any other", async () => {
    const { stderr } = await world.shop.push({ "deployments/pulse.yaml": pulse() });
    assert.match(stderr, /schedule hour is fired by the server, not by a CronJob: it is an interval/);
    await until("it fires", async () => (await cronJob())?.spec.suspend === false, limitMs);
    assert.deepEqual([(await cronJob())?.spec.schedule, (await cronJob())?.spec.timeZone], ["* * * * *", "UTC"]);
    await until("a run has ended", async () => (await runs()).some(({ state }) => state === "Completed"), limitMs);
    const [run] = (await runs()).filter(({ state }) => state === "Completed");
    assert.deepEqual([run?.schedule, run?.attempt, run?.parameters], ["minute", 1, { word: "it" }]);
    assert.equal(Date.parse(run?.scheduledFor ?? "") % 60_000, 0);
    const { out } = await world.served.cli(["run-log", run?.id ?? ""]);
    assert.ok(out.includes(`said it for minute as ${run?.id} with postgres://x:y@db/shop`), out);
    const said = (await world.served.cli(["schedules", "pulse"], { cwd: world.shop.path })).out;
    assert.match(said, /Z {2}minute \(by its cluster\)/);
    assert.equal((await fired()).length, (await runs()).length);
  });

  test("a paused schedule is suspended at once, through a deploy, and makes up for nothing when it goes on", async () => {
    await world.served.cli(["schedules", "pulse", "--pause", "minute"], { cwd: world.shop.path });
    assert.ok(await isSuspended());
    const before = (await fired()).length;
    await deployJobs(world, { "deployments/pulse.yaml": pulse("env: {MORE: words}\n") });
    assert.ok(await isSuspended());
    await new Promise((resolve) => setTimeout(resolve, 61_000 - (Date.now() % 60_000)));
    await world.served.cli(["schedules", "pulse", "--resume", "minute"], { cwd: world.shop.path });
    const resumedAt = new Date().toISOString();
    assert.ok(!(await isSuspended()));
    await until("it fires again", async () => (await fired()).length > before, limitMs);
    const times = (await runs()).map(({ scheduledFor }) => scheduledFor);
    assert.ok((times[0] ?? "") > resumedAt, `${times.join(", ")}, resumed at ${resumedAt}`);
    assert.equal((await fired()).length, before + 1);
  });

  test("it fires without a server, which finds the runs when it comes back", async () => {
    await world.served.stop();
    const before = (await fired()).length;
    await until("it has fired twice", async () => (await fired()).length >= before + 2, limitMs);
    await world.served.start();
    await until("they are in the list", async () => (await runs()).length >= before + 2, limitMs);
    await until("they have ended", async () => (await runs()).every(({ endedAt }) => endedAt !== null), limitMs);
    assert.deepEqual([...new Set((await runs()).map(({ state }) => state))], ["Completed"]);
  });

  test("back to the server and there again, no time is run twice, and none is lost", async () => {
    const from = (await runs()).length;
    await world.served.stop();
    await set("server");
    await world.served.start();
    await until("the CronJob is gone", async () => (await cronJob()) === undefined, limitMs);
    const isServers = ({ id }: { readonly id: string }): boolean => !id.includes("-");
    await until("the server has fired", async () => (await runs()).some(isServers), limitMs);
    await world.served.stop();
    await set("cronJobs");
    await world.served.start();
    await until("the CronJob fires", async () => (await cronJob())?.spec.suspend === false, limitMs);
    const count = (await runs()).length;
    await until("it has", async () => (await runs()).length > count, limitMs);
    const newest = (await runs()).slice(0, (await runs()).length - from + 1);
    assert.ok(newest.some(isServers) && !isServers(newest[0] ?? { id: "" }));
    const times = newest.map(({ scheduledFor }) => Date.parse(scheduledFor) / 60_000).toReversed();
    assert.deepEqual(
      times,
      times.map((_, index) => (times[0] ?? 0) + index),
    );
  });

  test("a paused job is suspended; without its file the CronJob is gone", async () => {
    await world.served.cli(["pause", "pulse"], { cwd: world.shop.path });
    await until("it is suspended", isSuspended, limitMs);
    await world.served.cli(["resume", "pulse"], { cwd: world.shop.path });
    await until("it fires", async () => !(await isSuspended()), limitMs);
    await world.shop.git("rm", "--quiet", "deployments/pulse.yaml");
    await deployJobs(world, { "deployments/other.yaml": pulse().replace(/schedules:[^]*/, "") });
    await until("it is gone", async () => (await cronJob()) === undefined, limitMs);
  });
});
