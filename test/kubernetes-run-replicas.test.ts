import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { RunView } from "../src/runs/view.ts";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { job } from "./conformance/runs.ts";
import {
  clusterSkip,
  hostAddress,
  nodeImage,
  openTestCluster,
  patience,
  serverKubeconfigPath,
} from "./support/cluster.ts";
import { replicaWorld, type ReplicaWorld } from "./support/replica-world.ts";
import { startRunWitness, type RunWitness } from "./support/run-witness.ts";
import { runCli, until } from "./support/served.ts";
import { freePort, type ServerProcess } from "./support/server-process.ts";

// Two servers, of which the one that acts is killed while runs go on, wait for a slot and for their time, and schedules fire.

const limitMs = 240_000;
const everySeconds = 20;
const repository = `kr-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository, environment: "production" });

describe("runs of two servers on a cluster", { skip: clusterSkip(), timeout: 900_000 }, () => {
  let world: ReplicaWorld;
  let cluster: Cluster;
  let witness: RunWitness;
  let config: string;
  const ports: Record<string, number> = {};
  const start = (name: string): Promise<ServerProcess> =>
    world.start(name, { config, env: { WAYBILL_HOST: "0.0.0.0" }, port: ports[name] ?? 0 });

  before(async () => {
    cluster = await openTestCluster();
    witness = await startRunWitness();
    world = await replicaWorld();
    for (const name of ["one", "two"]) ports[name] = await freePort();
    config = join(dirname(world.data), "server.yaml");
    // Whichever server is killed, its gateway leads to the other.
    await writeFile(
      config,
      `targets:
  cluster:
    kind: kubernetes
    kubeconfig: ${serverKubeconfigPath()}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${ports["one"]}
`,
    );
  });
  after(async () => {
    await world?.close();
    await witness?.[Symbol.asyncDispose]();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  const cli = (by: ServerProcess, ...args: string[]) => {
    const where = args[0] === "cancel" ? [] : ["--repository", repository, "--environment", "production"];
    const url = `http://localhost:${by.port}`;
    return runCli([...args, ...where], { url, token: world.token, cwd: dirname(world.data) });
  };
  const json = async <Answer>(by: ServerProcess, ...args: string[]): Promise<Answer> => {
    const { status, out, err } = await cli(by, ...args, "--json");
    assert.equal(status, 0, `waybill ${args.join(" ")}: ${err}`);
    return JSON.parse(out) as Answer;
  };
  const runsOf = async (by: ServerProcess, name: string): Promise<readonly RunView[]> =>
    (await json<{ runs: readonly RunView[] }>(by, "runs", name)).runs;
  const run = async (by: ServerProcess, ...args: string[]): Promise<string> =>
    (await json<{ run: RunView }>(by, "run", ...args)).run.id;
  const acts = (server: ServerProcess) => async (): Promise<boolean> => {
    const { rows } = await world.pool.query<{ place: string }>("select place from server_lease");
    return (rows[0]?.place ?? "").includes(`"pid":${server.child.pid},`);
  };
  const count = (what: string): number => witness.told.filter((told) => told === what).length;

  test("what the one that acts leaves, the other goes on with: once, all of it, each in its slot", async () => {
    let acting = await start("one");
    let waiting = await start("two");
    const tell = (what: string): string => `wget -q -O - ${witness.url}/${what}`;
    const work = await world.clone(repository, acting);
    await work.write({
      "jobs/README": "x\n",
      "deployments/long.yaml": job(
        `${tell("begun/$WAYBILL_RUN")}; sleep 12; ${tell("ended/$WAYBILL_RUN")}; echo '7' > "$WAYBILL_RESULT"`,
        "concurrency: {limit: 1}\n",
      ),
      "deployments/tick.yaml": job(
        tell("tick/$WAYBILL_SCHEDULED_FOR"),
        `schedules: [{name: every, interval: PT${everySeconds}S, catchUp: all}]\n`,
      ),
    });
    await work.commit("jobs");
    await work.git("push", "--quiet", "origin", "main");
    await until("jobs can be run", async () => (await cli(acting, "schedules", "long")).status === 0, limitMs);
    const longs: string[] = [];
    for (const [dying, staying] of [
      ["one", "two"],
      ["two", "one"],
    ] as const) {
      const first = longs.length;
      for (let index = 0; index < 2; index += 1) longs.push(await run(acting, "long"));
      longs.push(await run(acting, "long", "--in", "15s"));
      await until("one of them runs", () => count(`begun/${longs[first]}`) === 1, limitMs);
      acting.child.kill("SIGKILL");
      const killedMs = performance.now();
      await until(`${staying} acts`, acts(waiting), limitMs);
      assert.ok(performance.now() - killedMs < 15_000, "within its lease");
      await until("it answers", async () => (await cli(waiting, "runs", "long")).status === 0, limitMs);
      const states = (await runsOf(waiting, "long")).map(({ state }) => state);
      assert.ok(states.includes("Running") || states.includes("Pending") || states.includes("AwaitingConcurrencySlot"));
      const again = await start(dying);
      [acting, waiting] = [waiting, again];
      await until(
        "all have ended",
        async () => (await runsOf(acting, "long")).every(({ endedAt }) => endedAt !== null),
        limitMs,
      );
    }
    const all = await runsOf(acting, "long");
    assert.deepEqual(
      all.map(({ state, result, attempt, reason }) => [state, result, attempt, reason]),
      longs.map(() => ["Completed", 7, 1, ""]),
    );
    for (const id of longs) assert.deepEqual([count(`begun/${id}`), count(`ended/${id}`)], [1, 1], id);
    // With one slot, each begins after the one before it has ended.
    const steps = witness.told.filter((told) => !told.startsWith("tick/")).map((told) => told.split("/"));
    for (const [index, [what, id]] of steps.entries()) {
      if (what === "begun") assert.deepEqual(steps[index + 1], ["ended", id]);
    }
    await cli(acting, "schedules", "tick", "--pause", "every");
    await until(
      "the last ticks are over",
      async () => (await runsOf(acting, "tick")).every(({ endedAt }) => endedAt !== null),
      limitMs,
    );
    const ticks = witness.told.flatMap((told) => (told.startsWith("tick/") ? [Date.parse(told.slice(5))] : []));
    const times = ticks.toSorted((a, b) => a - b);
    assert.ok(times.length >= 3, `${times.length} ticks`);
    assert.deepEqual(
      times,
      times.map((_, index) => (times[0] ?? 0) + index * everySeconds * 1_000),
    );
    const last = await run(acting, "long");
    await until("its slot is free", () => count(`begun/${last}`) === 1, limitMs);
    await json(acting, "cancel", last);
    // A pod whose server goes before it has handed over waits for another one.
    const isOver = async (): Promise<boolean> =>
      (await runsOf(acting, "long")).every(({ endedAt }) => endedAt !== null);
    await until("it has ended", isOver, limitMs);
  });
});
