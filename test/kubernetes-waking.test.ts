import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { clusterSkip } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { site, until } from "./support/served.ts";
import { deploy, statusOf, untilState } from "./support/target-world.ts";

// Requests while GPUs change hands: the cluster is to have two.

const gpus = (count: number): string =>
  `size: {cpu: 0.02, memory: 64Mi, gpu: {count: ${count}, type: h100}}\nstopTimeout: 1s\n`;
const limitMs = 90_000;

describe("requests and scarce GPUs", { skip: clusterSkip(), timeout: 500_000 }, () => {
  let world: ClusterWorld;

  before(async () => {
    world = await clusterWorld();
    const { exitCode, stderr } = await world.shop.push({
      "deployments/anchor.yaml": site("anchor"),
      "anchor/index.html": "here",
    });
    assert.equal(exitCode, 0, stderr);
  });
  afterEach(async () => {
    const { deployments } = (await world.served.json(["status"])) as { deployments: readonly { name: string }[] };
    for (const { name } of deployments.filter((one) => one.name !== "anchor")) {
      await world.shop.git("rm", "--quiet", `deployments/${name}.yaml`);
      await world.shop.push({});
      await until(`${name} has gone`, async () => (await world.running(name)) === 0, limitMs);
    }
  });
  after(async () => {
    await world?.close();
  });

  test("while one revision makes room for the next, requests wait, and none is refused", async () => {
    await deploy(world, "ranker", { text: "one", more: gpus(2) });
    const answers = new Set<string>();
    const load = new AbortController();
    const ask = async (): Promise<void> => {
      while (!load.signal.aborted) {
        const { status, body } = await world.served.get("ranker");
        answers.add(`${status} ${body}`);
        await sleep(20);
      }
    };
    const loading = Promise.all([ask(), ask(), ask()]);
    const said = await deploy(world, "ranker", { text: "two", more: gpus(2) });
    assert.match(said, /the old revision stops to make room/);
    await until("the new one answers", () => answers.has("200 two"), limitMs);
    load.abort();
    await loading;
    assert.deepEqual([...answers], ["200 one", "200 two"]);
  });

  test("what sleeps waits in line for a GPU with who asked for it, and says for what", async () => {
    const sleepy = `${gpus(1)}replicas: {min: 0, max: 1, idleAfter: 2s}\n`;
    await deploy(world, "dreamer", { text: "awake", more: sleepy });
    await untilSleeping("dreamer");
    await deploy(world, "busy", { text: "busy", more: gpus(2) });
    const asked = world.served.get("dreamer");
    await until(
      "its status says what it waits for",
      async () =>
        /it waits in line: no node has a free GPU of type h100 \(2 of 2 in use by k3-\w+\/production\/busy\)/.test(
          (await statusOf(world, "dreamer")).reason,
        ),
      limitMs,
    );
    assert.equal(await world.running("dreamer"), 0);
    await world.served.json(["pause", "busy"], { cwd: world.shop.path });
    assert.equal((await asked).body, "awake");
    await untilState(world, "busy", "paused");
  });

  test("who has waited for as long as a start may take is told why", async () => {
    const sleepy = `${gpus(1)}replicas: {min: 0, max: 1, idleAfter: 2s}\nhealth: {startTimeout: 8s}\n`;
    await deploy(world, "dreamer", { text: "awake", more: sleepy });
    await untilSleeping("dreamer");
    await deploy(world, "busy", { text: "busy", more: gpus(2) });
    const { status, body } = await world.served.get("dreamer");
    assert.equal(status, 503);
    assert.match(body, /could not be started: no node has a free GPU of type h100/);
    await until(
      "its status says so",
      async () => /it did not wake: no node has a free GPU/.test((await statusOf(world, "dreamer")).reason),
      limitMs,
    );
  });

  const untilSleeping = (name: string): Promise<void> =>
    until(`${name} sleeps`, async () => (await statusOf(world, name)).state === "sleeping", limitMs);
});
