import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { deployJobs, job, runsOf, untilRunIs } from "./conformance/runs.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { isKubeletBack, keepExtendedResources, killKubelet, kubeletSkip } from "./support/kubelet.ts";
import { startRunWitness, type RunWitness } from "./support/run-witness.ts";
import { until } from "./support/served.ts";

// kill -9 of the node's kubelet while runs go on, wait for their pods, and are cancelled. Pods' programs run on without it.

const limitMs = 150_000;
// Shorter than what makes a node unreachable to its cluster.
const awaySeconds = 15;

describe("the node's kubelet is killed during runs", { skip: kubeletSkip(), timeout: 600_000 }, () => {
  let world: ClusterWorld;
  let witness: RunWitness;
  let putBack: () => Promise<void>;
  before(async () => {
    witness = await startRunWitness();
    world = await clusterWorld();
    putBack = await keepExtendedResources(world.cluster);
    await world.shop.write({ "jobs/README": "x\n" });
  });
  after(async () => {
    await putBack?.();
    await world?.close();
    await witness?.[Symbol.asyncDispose]();
  });

  const run = async (name: string): Promise<string> =>
    ((await world.served.json(["run", name], { cwd: world.shop.path })) as { run: { id: string } }).run.id;
  const stateOf = async (name: string, id: string): Promise<string | undefined> =>
    (await runsOf(world, name)).find((each) => each.id === id)?.state;
  const has = (name: string, id: string, state: string) => async () => (await stateOf(name, id)) === state;

  test("each ends as it truly did, runs once, and frees its slot", async () => {
    // A pod that starts while its kubelet comes back may have no network at first.
    const tell = (what: string): string => {
      const told = `wget -q -O - ${witness.url}/${what}/$WAYBILL_RUN`;
      return `${told} || { sleep 1; ${told}; }`;
    };
    const one = "concurrency: {limit: 1}\n";
    await deployJobs(world, {
      // Ends while there is no kubelet; the next of it waits for its slot.
      "deployments/ends.yaml": job(`${tell("begun")}; sleep 8; ${tell("ended")}; echo over; exit 3`, one),
      "deployments/later.yaml": job(`${tell("begun")}; ${tell("ended")}`),
      "deployments/endless.yaml": job(
        `trap 'exit 0' TERM; ${tell("begun")}; sleep 600 & wait`,
        `stopTimeout: 1s\n${one}`,
      ),
    });
    const [first, second] = [await run("ends"), await run("ends")];
    const endless = await run("endless");
    await until(
      "both run",
      async () => (await has("ends", first, "Running")()) && (await has("endless", endless, "Running")()),
      limitMs,
    );
    await until(
      "both have said so",
      () => witness.told.filter((told) => told.startsWith("begun/")).length === 2,
      limitMs,
    );
    const killedAt = new Date();
    await killKubelet(awaySeconds);
    const later = await run("later");
    await world.served.json(["cancel", endless]);
    await until("the program has ended", () => witness.told.includes(`ended/${first}`), limitMs);
    assert.ok(Date.now() - killedAt.getTime() < awaySeconds * 1_000, "that was without a kubelet");
    // Nobody knows better yet.
    assert.deepEqual(
      [await stateOf("ends", first), await stateOf("ends", second), await stateOf("later", later)],
      ["Running", "AwaitingConcurrencySlot", "Pending"],
    );
    assert.equal(await stateOf("endless", endless), "Cancelling");
    await until("the kubelet is back", () => isKubeletBack(world.cluster, killedAt), limitMs);
    await putBack();
    await until("the first has its end", has("ends", first, "Failed"), limitMs);
    await until("the second has its slot and its end", has("ends", second, "Failed"), limitMs);
    await until("the one that came meanwhile has run", has("later", later, "Completed"), limitMs);
    await until("the cancelled one is", has("endless", endless, "Cancelled"), limitMs);
    const failed = (await runsOf(world, "ends")).find(({ id }) => id === first);
    assert.deepEqual([failed?.exitStatus, failed?.attempt], [3, 1]);
    assert.match((await world.served.cli(["run-log", first])).out, /over/);
    for (const id of [first, second, later, endless]) {
      assert.equal(
        witness.told.filter((told) => told === `begun/${id}`).length,
        1,
        `${id}: ${witness.told.join(", ")}`,
      );
    }
    await run("endless");
    await untilRunIs(world, "endless", "Running");
    const [again] = await runsOf(world, "endless");
    await world.served.json(["cancel", again?.id ?? ""]);
    await untilRunIs(world, "endless", "Cancelled");
  });
});
