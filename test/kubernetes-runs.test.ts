import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import type { RunView } from "../src/runs/view.ts";
import { deployJobs, endedRun, job, runBehaviours, runsOf, untilRunIs } from "./conformance/runs.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";

describe("runs as Jobs", { skip: clusterSkip() }, () => runBehaviours(clusterWorld));

describe("what a cluster does to runs", { skip: clusterSkip() }, () => {
  const limitMs = 120_000;
  let world: ClusterWorld;
  before(async () => {
    world = await clusterWorld();
    await world.shop.write({ "jobs/README": "x\n" });
  });
  after(() => world?.close());

  const run = (name: string) => world.served.json(["run", name], { cwd: world.shop.path });
  const listed = async (apiVersion: string, kind: string) =>
    (await world.cluster.list({ apiVersion, kind, namespace: world.namespace }, patience())).items;
  const podOf = async (name: string): Promise<string> => {
    const own = (await listed("v1", "Pod")).find(({ metadata }) => metadata.labels?.["waybill.dev/job"] === name);
    assert.ok(own, `no pod of ${name}`);
    return own.metadata.name;
  };

  test("a program over its memory is Crashed, and its limit is named", async () => {
    const eater = `node -e 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))'`;
    await deployJobs(world, { "deployments/eater.yaml": job(eater) });
    await run("eater");
    const ended = await endedRun(world, "eater");
    assert.equal(ended.state, "Crashed");
    assert.match(ended.reason, /^killed for memory: it used more than its 64Mi/);
  });

  test("what no node has room for is Pending, says so, and goes without a trace when it is cancelled", async () => {
    const large = job("echo here").replace("cpu: 0.01", "cpu: 500");
    await deployJobs(world, { "deployments/large.yaml": large });
    await run("large");
    await until(
      "it says what it waits for",
      async () => /no node has room for it/.test((await runsOf(world, "large"))[0]?.waitingFor ?? ""),
      limitMs,
    );
    const [waiting] = await runsOf(world, "large");
    assert.equal(waiting?.state, "Pending");
    await world.served.json(["cancel", waiting?.id ?? ""]);
    await untilRunIs(world, "large", "Cancelled");
    assert.ok((await listed("batch/v1", "Job")).every(({ metadata }) => !metadata.name.includes(waiting?.id ?? "")));
  });

  test("an image that cannot be pulled is Crashed, and named", async () => {
    const image = `nowhere.invalid/none@sha256:${"0".repeat(64)}`;
    const yaml = job("echo here").replace("source: {path: jobs}", `source: {image: "${image}"}`);
    await deployJobs(world, { "deployments/unpulled.yaml": yaml });
    await run("unpulled");
    const ended = await endedRun(world, "unpulled");
    assert.equal(ended.state, "Crashed");
    assert.match(ended.reason, /^not started: image nowhere\.invalid\/none@\S+ cannot be pulled/);
  });

  test("a pod that somebody takes away is Crashed; its log is kept, and the next attempt has a pod of its own", async () => {
    await deployJobs(world, {
      "deployments/taken.yaml": job(
        "echo attempt $WAYBILL_ATTEMPT; sleep 3; [ $WAYBILL_ATTEMPT = 2 ] || sleep 300",
        "retries: {limit: 1, delay: 1s}\n",
      ),
    });
    await run("taken");
    await untilRunIs(world, "taken", "Running");
    const [before] = await runsOf(world, "taken");
    const log = async (): Promise<string> => (await world.served.cli(["run-log", before?.id ?? ""])).out;
    await until("it has spoken", async () => (await log()).includes("attempt 1"), limitMs);
    const pod = { apiVersion: "v1", kind: "Pod", namespace: world.namespace, name: await podOf("taken") };
    await world.cluster.delete(pod, { signal: patience(), graceSeconds: 0 });
    await untilRunIs(world, "taken", "Completed");
    const ended = await endedRun(world, "taken");
    assert.equal(ended.attempt, 2);
    const { body } = await world.served.api("GET", `/runs/${ended.id}`);
    const first = (body as { readonly run: RunView }).run.history.find(({ state }) => state === "Retrying");
    assert.match(first?.reason ?? "", /its pod was removed from the cluster|killed by SIGKILL/);
    assert.match(await log(), /attempt 1[^]*attempt 2/);
  });

  test("a log of many lines comes whole, each line once and in order, and memory is told", async () => {
    const talker = `node -e 'let n = 0; const more = () => { for (let i = 0; i < 500; i++) console.log("line " + n++); if (n < 9500) setTimeout(more, 100); }; more()'`;
    await deployJobs(world, { "deployments/talker.yaml": job(talker).replace("64Mi", "128Mi") });
    await run("talker");
    const ended = await endedRun(world, "talker");
    assert.equal(ended.state, "Completed", ended.reason);
    assert.ok((ended.peakMemoryBytes ?? 0) > 2 ** 20, `${ended.peakMemoryBytes} bytes`);
    const { out } = await world.served.cli(["run-log", ended.id, "--lines", "10000"]);
    const numbers = out.match(/line \d+/g) ?? [];
    assert.equal(numbers.length, 9_500);
    assert.ok(numbers.every((line, index) => line === `line ${index}`));
  });

  test("a run that is taken over has its log whole, through a server that was away", async () => {
    const talker = `node -e 'let n = 0; const more = () => { console.log("line " + n++); if (n < 400) setTimeout(more, 25); }; more()'`;
    await deployJobs(world, { "deployments/on.yaml": job(talker).replace("64Mi", "128Mi") });
    await run("on");
    await untilRunIs(world, "on", "Running");
    const { child } = world.served.server();
    child.kill("SIGKILL");
    await once(child, "exit");
    await world.served.start();
    const ended = await endedRun(world, "on");
    assert.equal(ended.state, "Completed", ended.reason);
    const { out } = await world.served.cli(["run-log", ended.id, "--lines", "1000"]);
    const numbers = out.match(/line \d+/g) ?? [];
    assert.deepEqual(
      numbers,
      Array.from({ length: 400 }, (_, index) => `line ${index}`),
    );
  });

  test("nothing of a run stays in the cluster", async () => {
    for (const [apiVersion, kind] of [
      ["batch/v1", "Job"],
      ["v1", "Pod"],
      ["v1", "Secret"],
      ["v1", "ConfigMap"],
    ] as const) {
      await until(
        `no ${kind} of a run is left`,
        async () => (await listed(apiVersion, kind)).every(({ metadata }) => !metadata.name.startsWith("run-")),
        limitMs,
      );
    }
  });

  test("the environment's namespace stays while a job is in it, and goes with the last", async () => {
    await world.shop.git(
      "rm",
      "--quiet",
      ...["eater", "large", "unpulled", "taken", "talker"].map((name) => `deployments/${name}.yaml`),
    );
    await world.shop.push({ "README.md": "words" });
    const isThere = async (): Promise<boolean> =>
      (await world.cluster.get({ apiVersion: "v1", kind: "Namespace", name: world.namespace }, patience()))?.metadata
        .deletionTimestamp === undefined;
    assert.ok(await isThere());
    await run("on");
    assert.equal((await endedRun(world, "on")).state, "Completed");
  });
});
