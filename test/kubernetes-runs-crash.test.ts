import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { treeSha } from "../src/core/names.ts";
import { mayStep } from "../src/runs/state.ts";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { serviceAccount } from "../src/targets/kubernetes/place.ts";
import { clusterSkip, hostAddress, openTestCluster, patience } from "./support/cluster.ts";
import { testDatabase } from "./support/postgres.ts";
import { deployJobAs, jobStack } from "./support/runs-world.ts";
import { until } from "./support/served.ts";
import { freePort } from "./support/server-process.ts";
import { runWorker } from "./support/worker-process.ts";

// Of a start, its end and what comes between: fewer, and something is not watched any more.
const leastEffects = 9;
const atOnce = 3;

describe("kill -9 of the server at every step of a run on a cluster", { skip: clusterSkip(), timeout: 900_000 }, () => {
  const repository = `kj-${randomBytes(3).toString("hex")}`;
  const stack = jobStack("crash", repository);
  const namespace = namespaceOf(stack);
  const told = new Map<string, number>();
  const witness = createServer((request, response) => {
    const path = request.url ?? "";
    told.set(path, (told.get(path) ?? 0) + 1);
    response.end();
  });
  let cluster: Cluster;

  before(async () => {
    cluster = await openTestCluster();
    const options = { signal: patience() };
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, options);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: serviceAccount, namespace } };
    await cluster.apply(account, options);
    await new Promise<void>((resolve) => witness.listen(0, "0.0.0.0", resolve));
  });
  after(async () => {
    witness.close();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  /** Answers where it was killed; null when it came to its end before. */
  async function killed(killAfter: number): Promise<string | null> {
    await using database = await disposableDatabase();
    const folder = mkdtempSync(join(tmpdir(), "waybill-runs-"));
    try {
      const { port } = witness.address() as AddressInfo;
      const program = `const say = () => fetch("http://${hostAddress}:${port}/${killAfter}", { signal: AbortSignal.timeout(5000) }).then(() => console.log("said"), say); say(); setTimeout(() => require("node:fs").writeFileSync(process.env.WAYBILL_RESULT, "7"), 1000)`;
      const yaml = `source: {path: .}\nsize: {cpu: 0.01, memory: 128Mi}\ncommand: ${JSON.stringify(`node -e '${program}'`)}\n`;
      await deployJobAs(database.db, stack, { yaml, source: treeSha("1".padStart(40, "0")) });
      const args = [database.url, folder, repository, String(await freePort())];
      const signal = await runWorker("cluster-runs-worker", ...args, String(killAfter));
      const killedAt = join(folder, "killed-at");
      const where = existsSync(killedAt) ? readFileSync(killedAt, "utf8") : null;
      if (signal !== null) assert.equal(await runWorker("cluster-runs-worker", ...args, "0"), null, where ?? "");
      const [run, ...others] = await makeRunStore(database.db).runs({ job: "crash" }, { limit: 10 });
      assert.deepEqual([others.length, run?.status.state, run?.outcome?.result], [0, "Completed", 7], where ?? "");
      assert.equal(told.get(`/${killAfter}`), 1, `killed ${where}`);
      const history = run?.history.map(({ state }) => state) ?? [];
      for (const [index, state] of history.entries()) {
        const next = history[index + 1] ?? state;
        assert.ok(next === state || mayStep(state, next), `killed ${where}: ${history.join(", ")}`);
      }
      const log = readFileSync(join(folder, "runs", run?.id ?? "", "output.log"), "utf8");
      assert.equal(log.split(" said\n").length, 2, `killed ${where}: ${log}`);
      return where;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test("it runs once, ends as it is, says each line once, and leaves nothing", async () => {
    const points: string[] = [];
    let next = 1;
    let isThrough = false;
    const lane = async (): Promise<void> => {
      while (!isThrough) {
        const where = await killed(next++);
        if (where === null) isThrough = true;
        else points.push(where);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    assert.ok(points.length >= leastEffects, points.join(", "));
    for (const [apiVersion, kind] of [
      ["batch/v1", "Job"],
      ["v1", "Secret"],
      ["v1", "Pod"],
    ] as const) {
      const left = async (): Promise<readonly string[]> =>
        (await cluster.list({ apiVersion, kind, namespace }, patience())).items.map(({ metadata }) => metadata.name);
      await until(`no ${kind} is left`, async () => (await left()).length === 0, 90_000);
    }
  });
});

async function disposableDatabase() {
  const database = await testDatabase();
  return { ...database, [Symbol.asyncDispose]: () => database.close() };
}
