import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { namesOf, startFleetServer, workerFiles } from "./support/cluster-fleet.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { service, site, until, webProgram } from "./support/served.ts";

// A push that changes a hundred deployments on a cluster, and a server that is killed in the middle of it. Most of them
// are objects without pods: a node of two processors starts two or three pods a second, whoever asks for them.

const [workers, sites, services] = [namesOf("w", 74), namesOf("s", 20), namesOf("p", 6)];
const all = [...workers, ...sites, ...services];
const wantedMs = 10_000;
// What a shared node takes to start six pods, half of them beside others that end.
const podsLimitMs = 90_000;

interface Row {
  readonly name: string;
  readonly state: string;
  readonly snapshot: string;
}

const filesAt = (level: string): Record<string, string> => ({
  ...workerFiles(workers, level),
  "site/index.html": level,
  "app/main.js": webProgram(level),
});
const firstFiles: Record<string, string> = {
  ...filesAt("1"),
  ...Object.fromEntries(sites.map((name) => [`deployments/${name}.yaml`, site("site")])),
  ...Object.fromEntries(
    services.map((name) => [`deployments/${name}.yaml`, service("app", "size: {cpu: 0.01, memory: 64Mi}\n")]),
  ),
};

describe("a hundred deployments on a cluster", { skip: clusterSkip(), timeout: 600_000 }, () => {
  let fleet: Awaited<ReturnType<typeof startFleetServer>>;
  let shop: Awaited<ReturnType<typeof fleet.clone>>;

  before(async () => {
    fleet = await startFleetServer();
    await fleet.served.start();
    shop = await fleet.clone("kf-many");
  });
  after(() => fleet?.close());

  const list = async (apiVersion: string, kind: string) =>
    (await fleet.cluster.list({ apiVersion, kind, namespace: shop.namespace }, patience())).items;
  const rows = async (): Promise<readonly Row[]> =>
    ((await fleet.served.json(["status"])) as { deployments: readonly Row[] }).deployments;
  const body = (name: string): Promise<string> => fleet.served.get(name).then((answer) => answer.body);

  /** Those that are not at the level, by what the cluster has and the gateway answers. */
  async function behind(level: string, names: readonly string[]): Promise<readonly string[]> {
    const maps = new Map((await list("v1", "ConfigMap")).map((map) => [map.metadata.name, map["data"]]));
    const levels = await Promise.all(
      names.map(async (name) =>
        workers.includes(name) ? (maps.get(name) as { level?: string } | undefined)?.level : body(name),
      ),
    );
    return names.filter((_, index) => levels[index] !== level);
  }

  /** Asks seldom: the machine is to be busy with something else. */
  async function untilAll(level: string, names: readonly string[], ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    for (let late = names; late.length > 0;) {
      late = await behind(level, late);
      assert.ok(late.length === 0 || performance.now() < endMs, `not after ${Math.round(ms)} ms: ${late.join(", ")}`);
      await sleep(250);
    }
  }

  test("a server that is killed in the middle of a push: all live, every status true", async (t) => {
    const startMs = performance.now();
    const { exitCode, stderr } = await shop.push(firstFiles);
    // On a machine that is busy with other things, what the same work takes without a kill.
    const limitMs = Math.max(wantedMs, performance.now() - startMs);
    assert.equal(exitCode, 0, stderr);
    await untilAll("1", all, podsLimitMs);

    const stopped = new AbortController();
    const watching = watchAnswers(() => body("p-0"), stopped.signal);
    try {
      const pushing = shop.push(filesAt("2"));
      await until("half is applied", async () => (await behind("2", workers)).length < workers.length / 2, podsLimitMs);
      fleet.served.server().child.kill("SIGKILL");
      await pushing;
      const left = (await behind("2", all)).length;
      await fleet.served.start();
      const backMs = performance.now();
      const took = (): number => Math.round(performance.now() - backMs);

      await untilAll("2", [...workers, ...sites], limitMs);
      const withoutPodsMs = took();
      // What is shown is so: none is told to be ready before it is, none has failed.
      const shown = await rows();
      const late = new Set(await behind("2", services));
      for (const { name, state } of shown) assert.ok(!late.has(name) || state !== "failed", `${name} is ${state}`);
      await untilAll("2", services, podsLimitMs);
      const allMs = took();
      await until("every status is true", async () => (await rows()).every(isDone), limitMs);
      t.diagnostic(
        `${left} of ${all.length} were left; live without pods after ${withoutPodsMs} ms, all after ${allMs} ms`,
      );
      assert.ok(left > 10, `only ${left} were left to do`);
    } finally {
      stopped.abort();
    }
    const { count, failures } = await watching;
    assert.deepEqual(failures, [], `of ${count} requests`);
    const revisions = async (): Promise<number> => (await list("apps/v1", "Deployment")).length;
    await until("old revisions go", async () => (await revisions()) === services.length, podsLimitMs);
  });

  const isDone = ({ state, snapshot }: Row): boolean => state === "ready" && snapshot === "waybill/production/2";
});

/** Asks all the time; every answer must be one of a revision. */
async function watchAnswers(
  ask: () => Promise<string>,
  signal: AbortSignal,
): Promise<{ readonly count: number; readonly failures: readonly string[] }> {
  const failures: string[] = [];
  let count = 0;
  for (; !signal.aborted; count += 1) {
    await ask().then(
      (text) => text !== "1" && text !== "2" && failures.push(text.slice(0, 200)),
      (error: Error) => failures.push(error.message),
    );
    await sleep(100);
  }
  return { count, failures };
}
