// Very many deployments on the cluster of KUBECONFIG, each one ConfigMap, as fleets of others are measured: one changed
// of 100 and of 1,000, from `git push` to the live object, beside `kubectl apply` of that object alone; and a push that
// changes nothing of 1,000, with the writes that the API server was asked for, counted by a proxy before it.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { makeInformer } from "../src/targets/kubernetes/cluster/informer.ts";
import { startApiProxy } from "../test/support/api-proxy.ts";
import { namesOf, startFleetServer, workerFiles } from "../test/support/cluster-fleet.ts";
import { kubeconfigPath } from "../test/support/cluster.ts";
import { median, timed } from "./support.ts";

const rounds = Number(process.env["ROUNDS"] ?? 11);
const [few, many] = [100, Number(process.env["MANY"] ?? 1000)];
const [maxChangedMs, maxUnchangedMs] = [300, 2_000];

const run = promisify(execFile);
const kubectl = join(dirname(kubeconfigPath()), "bin", "kubectl");
const folder = await mkdtemp(join(tmpdir(), "waybill-bench-"));
const proxy = await startApiProxy();
const server = await startFleetServer({ kubeconfig: proxy.kubeconfig });
const levelOf = (object: KubeObject): string => (object["data"] as { level?: string } | undefined)?.level ?? "";

/** A repository of so many deployments, deployed once. */
async function makeFleet(count: number) {
  const clone = await server.clone(`fleet${count}`);
  const names = namesOf(`f${count}`, count);
  const seen = new Map<string, string>();
  const informer = makeInformer(server.cluster, {
    apiVersion: "v1",
    kind: "ConfigMap",
    namespace: clone.namespace,
    onChange: ({ object }) => void seen.set(object.metadata.name, levelOf(object)),
  });
  const push = async (): Promise<void> => {
    const { exitCode, stderr } = await clone.tryGit("push", "origin", "main");
    if (exitCode !== 0 || !/remote: (?:done|nothing)/.test(stderr)) throw new Error(stderr.slice(-500));
  };
  await clone.write(workerFiles(names, "0"));
  await clone.commit("first");
  console.log(`${count} deployments, all new: ${(await timed(push)).toFixed(0)} ms`);
  return {
    namespace: clone.namespace,
    close: () => informer.close(),
    /** From the push to the live object. */
    async change(round: number): Promise<number> {
      const [name = ""] = names.slice(round);
      await clone.write(workerFiles([name], `r${round}`));
      await clone.commit(`round ${round}`);
      let pushed = Promise.resolve();
      const tookMs = await timed(async () => {
        pushed = push();
        while (seen.get(name) !== `r${round}`) await sleep(2);
      });
      await pushed;
      return tookMs;
    },
    /** A commit that no deployment is made from. */
    async changeNothing(round: number): Promise<{ readonly tookMs: number; readonly writes: number }> {
      await clone.write({ "notes.txt": String(round) });
      await clone.commit(`note ${round}`);
      const before = proxy.asked.length;
      const tookMs = await timed(push);
      await sleep(500);
      return { tookMs, writes: proxy.asked.slice(before).filter(({ method }) => method !== "GET").length };
    },
  };
}

/** The same object alone. */
async function bareApply(namespace: string, round: number): Promise<number> {
  const file = join(folder, "one.json");
  const metadata = { name: "bare", namespace };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { level: `r${round}` } };
  await writeFile(file, JSON.stringify(object));
  return timed(() => run(kubectl, ["apply", "--server-side", "-f", file]));
}

let isMissed = false;
function say(what: string, ms: number, maxMs: number): void {
  isMissed ||= ms > maxMs;
  console.log(`${what}: p50 ${ms.toFixed(0)} ms (wanted at most ${maxMs} ms)`);
}

try {
  await server.served.start();
  const [small, large] = [await makeFleet(few), await makeFleet(many)];
  const times = { small: [] as number[], large: [] as number[], bare: [] as number[] };
  const unchanged: number[] = [];
  let writes = 0;
  for (let round = 0; round < rounds; round += 1) {
    times.small.push(await small.change(round));
    times.large.push(await large.change(round));
    times.bare.push(await bareApply(small.namespace, round));
    const nothing = await large.changeNothing(round);
    unchanged.push(nothing.tookMs);
    writes += nothing.writes;
  }
  say(`one changed of ${few}, push to live object`, median(times.small), maxChangedMs);
  say(`one changed of ${many}`, median(times.large), maxChangedMs);
  console.log(`kubectl apply of one such object: p50 ${median(times.bare).toFixed(0)} ms`);
  const ratios = times.large.map((ms, index) => ms / (times.small[index] ?? Number.NaN));
  console.log(`one of ${many} takes ${median(ratios).toFixed(2)} times as long as one of ${few}`);
  say(`an unchanged push over ${many}`, median(unchanged), maxUnchangedMs);
  console.log(`writes to the cluster in ${rounds} unchanged pushes: ${writes} (wanted 0)`);
  isMissed ||= writes > 0;
  await small.close();
  await large.close();
} finally {
  await server.close();
  await proxy[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = isMissed ? 1 : 0;
