// From a request for what sleeps to its answer. On this machine against a bare start of the same program; on the
// cluster of KUBECONFIG, if there is one, against the moment at which a watch sees the pod ready.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeInformer } from "../src/targets/kubernetes/cluster/informer.ts";
import { isReady, type PodObject } from "../src/targets/kubernetes/observe/pods.ts";
import { ask } from "../test/support/ask.ts";
import { clusterSkip, openTestCluster } from "../test/support/cluster.ts";
import { clusterWorld } from "../test/support/cluster-world.ts";
import { webProgram } from "../test/support/served.ts";
import { freePort } from "../test/support/server-process.ts";
import { deploy, localWorld, untilState, type TargetWorld } from "../test/support/target-world.ts";
import { median } from "./support.ts";

const rounds = Number(process.env["ROUNDS"] ?? 5);
const maxAddedMs = 100;
const sleepy = "replicas: {min: 0, idleAfter: 1s}\n";

/** Spawn to first answer, asked as often as Waybill's own look at a fresh program. */
async function bareStart(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-wake-"));
  writeFileSync(join(folder, "main.js"), webProgram("bare"));
  const port = await freePort();
  const startedMs = performance.now();
  const child = spawn(process.execPath, ["main.js"], { cwd: folder, env: { ...process.env, PORT: String(port) } });
  while ((await ask({ port, host: "localhost" }).catch(() => null)) === null) await sleep(5);
  const tookMs = performance.now() - startedMs;
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
  return tookMs;
}

async function askAsleep(world: TargetWorld): Promise<number> {
  await untilState(world, "web", "sleeping");
  while ((await world.running("web")) > 0) await sleep(100);
  const startedMs = performance.now();
  const { status } = await world.served.get("web");
  if (status !== 200) throw new Error(`answered ${status}`);
  return performance.now() - startedMs;
}

async function onThisMachine(): Promise<boolean> {
  const world = await localWorld();
  try {
    await deploy(world, "web", { text: "one", more: sleepy });
    const [bare, woken]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      bare.push(await bareStart());
      woken.push(await askAsleep(world));
    }
    const addedMs = median(woken) - median(bare);
    console.log(
      `a bare start answers after ${median(bare).toFixed(0)} ms, a woken one after ${median(woken).toFixed(0)} ms`,
    );
    console.log(`process: ${addedMs.toFixed(0)} ms added (wanted at most ${maxAddedMs})`);
    return addedMs <= maxAddedMs;
  } finally {
    await world.close();
  }
}

async function onTheCluster(): Promise<boolean> {
  const world = await clusterWorld();
  const cluster = await openTestCluster();
  let readyMs = 0;
  const pods = makeInformer<PodObject>(cluster, {
    apiVersion: "v1",
    kind: "Pod",
    labelSelector: "app.kubernetes.io/managed-by=waybill,waybill.dev/deployment=web",
    onChange({ type, object }) {
      if (type === "set" && isReady(object) && object.metadata.deletionTimestamp === undefined)
        readyMs ||= performance.now();
    },
  });
  try {
    await deploy(world, "web", { text: "one", more: sleepy });
    const added: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await untilState(world, "web", "sleeping");
      while ((await world.running("web")) > 0) await sleep(100);
      readyMs = 0;
      await askAsleep(world);
      added.push(performance.now() - readyMs);
    }
    console.log(`pod: answered ${median(added).toFixed(0)} ms after it was ready (wanted at most ${maxAddedMs})`);
    return median(added) <= maxAddedMs;
  } finally {
    await pods.close();
    cluster.close();
    await world.close();
  }
}

const isGood = [await onThisMachine(), ...(clusterSkip() === false ? [await onTheCluster()] : [])];
process.exitCode = isGood.every(Boolean) ? 0 : 1;
