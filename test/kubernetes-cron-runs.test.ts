import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RunView } from "../src/runs/view.ts";
import { deployJobs, runsOf } from "./conformance/runs.ts";
import { patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";
import { putUserImage, userImageSkip } from "./support/user-image.ts";

// What becomes of runs that CronJobs have started: each way to end, one minute for all.

const limitMs = 180_000;

describe("runs that a cluster has fired", { skip: userImageSkip(), timeout: 900_000 }, () => {
  let world: ClusterWorld;
  let image: string;
  before(async () => {
    image = await putUserImage();
    world = await clusterWorld("    schedules: cronJobs\n");
  });
  after(() => world?.close());

  const job = (command: string, more = ""): string => `apiVersion: waybill/v1
kind: job
source: {image: "${image}"}
size: {cpu: 0.01, memory: 32Mi}
command: ${JSON.stringify(command)}
stopTimeout: 1s
${more}`;
  const fired = (command: string, more = ""): string =>
    job(command, `schedules: [{name: minute, cron: "* * * * *"}]\n${more}`);
  const cli = (...args: string[]) => world.served.cli(args, { cwd: world.shop.path });
  const oldest = async (name: string): Promise<RunView | undefined> => (await runsOf(world, name)).at(-1);
  const ended = async (name: string): Promise<RunView> => {
    await until(
      `the first of ${name} has ended`,
      async () => ((await oldest(name))?.endedAt ?? null) !== null,
      limitMs,
    );
    const run = await oldest(name);
    assert.ok(run);
    return run;
  };
  const isThere = async (name: string): Promise<boolean> => {
    const reference = { apiVersion: "batch/v1", kind: "Job", namespace: world.namespace, name };
    return (await world.cluster.get(reference, patience())) !== null;
  };

  test("they fail, take too long, are cancelled, replaced and followed like any other", async () => {
    await deployJobs(world, {
      "deployments/tries.yaml": fired("echo as $HOSTNAME; exit 4", "retries: {limit: 1}\n"),
      "deployments/slow.yaml": fired("sleep 300", "timeout: 5s\n"),
      "deployments/endless.yaml": fired("echo here; sleep 300"),
      "deployments/replaced.yaml": fired("sleep 300", "concurrency: {limit: 1, whenFull: cancel-running}\n"),
      "deployments/follows.yaml": job("echo followed", "after: {job: tries, state: failed}\n"),
    });
    await until("it runs", async () => (await oldest("endless"))?.state === "Running", limitMs);
    const endless = (await oldest("endless"))?.id ?? "";
    assert.ok(await isThere(endless));
    for (const name of ["tries", "slow", "endless"]) await cli("schedules", name, "--pause", "minute");
    await world.served.json(["cancel", endless]);
    const cancelled = await ended("endless");
    assert.deepEqual([cancelled.id, cancelled.state], [endless, "Cancelled"]);
    await until("its Job is gone", async () => !(await isThere(endless)), limitMs);

    const slow = await ended("slow");
    assert.equal(slow.state, "TimedOut", slow.reason);

    const tries = await ended("tries");
    assert.deepEqual([tries.state, tries.exitStatus, tries.attempt], ["Failed", 4, 1]);
    const { out } = await cli("run-log", tries.id);
    assert.match(out, /as tries-minute-\S+[^]*tried again by the cluster[^]*as tries-minute-\S+/);
    assert.ok(await isThere(tries.id), "its Job stays as long as the CronJob says");
    assert.equal((await runsOf(world, "tries")).length, 1);
    await until("a run has followed", async () => (await oldest("follows"))?.state === "Completed", limitMs);
    const { body } = await world.served.api("GET", `/runs/${(await oldest("follows"))?.id}`);
    assert.equal((body as { readonly run: RunView }).run.trigger.id, tries.id);

    // A person's retry is the server's own start.
    await world.served.json(["retry", tries.id]);
    const isOver = async (): Promise<boolean> => {
      const run = await oldest("tries");
      return run?.attempt === 3 && run.state === "Failed";
    };
    await until("which tries again as the file says", isOver, limitMs);

    await until("the next one has taken its place", async () => (await runsOf(world, "replaced")).length >= 2, limitMs);
    const replaced = await ended("replaced");
    const next = (await runsOf(world, "replaced")).at(-2)?.id;
    const reason = `cancelled to make room for run ${next}, the next one of its schedule`;
    assert.deepEqual([replaced.state, replaced.reason], ["Cancelled", reason]);
    assert.match((await cli("run-log", replaced.id)).out, /ended: cancelled to make room/);
  });

  test("what has ended while no server was there is told as it was", async () => {
    const times = (name: string) => runsOf(world, name).then((all) => all.map(({ scheduledFor }) => scheduledFor));
    await deployJobs(world, {
      "deployments/away.yaml": fired("sleep 300", "timeout: 3s\n"),
      "deployments/fine.yaml": fired("echo all is well"),
      "deployments/swapped.yaml": fired("sleep 300", "concurrency: {limit: 1, whenFull: cancel-running}\n"),
    });
    await until("one runs", async () => (await oldest("swapped"))?.state === "Running", limitMs);
    const before = await times("fine");
    await world.served.stop();
    const labelSelector = "waybill.dev/schedule=minute";
    const done = async (): Promise<number> => {
      const selection = { apiVersion: "batch/v1", kind: "Job", namespace: world.namespace, labelSelector };
      const { items } = await world.cluster.list(selection, patience());
      return items.filter(
        (item) =>
          /^(?:away|fine)-/.test(item.metadata.name) && JSON.stringify(item["status"]).includes('"completionTime"'),
      ).length;
    };
    await until("one has completed", async () => (await done()) >= before.length + 1, limitMs);
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    await world.served.start();
    await until("both are known", async () => (await times("away")).length > 0, limitMs);
    const [away, fine] = [await ended("away"), await ended("fine")];
    assert.deepEqual([away.state, fine.state], ["TimedOut", "Completed"], away.reason);
    assert.match((await cli("run-log", fine.id)).out, /all is well/);
    const swapped = await ended("swapped");
    assert.deepEqual([swapped.state, swapped.reason.slice(0, 26)], ["Cancelled", "cancelled to make room for"]);
  });
});
