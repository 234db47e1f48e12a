// On the cluster of KUBECONFIG: an in-process `up` of three unchanged objects, and 200 changed deployments of no pods,
// a stack each as the server has them, against `kubectl apply --server-side` of the same objects.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import { cliSkip, makeCliTestEngine } from "../test/support/cli-engine.ts";
import { kubeconfigPath } from "../test/support/cluster.ts";
import { makeKubernetesEngine } from "../test/support/kubernetes-engine.ts";
import { shop } from "../test/support/stacks.ts";
import { median, ratioLine, timed } from "./support.ts";

const deployments = 200;
const stacksAtOnce = 16;
const rounds = 3;
const maxUnchangedMs = 31;
const minRateToKubectl = 0.8;

const run = promisify(execFile);
const kubectl = join(dirname(kubeconfigPath()), "bin", "kubectl");

const manifestOf = (name: string, level: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, labels: { app: name } },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name }, annotations: { level } },
      spec: { containers: [{ name: "main", image: "local/pause:1", env: [{ name: "LEVEL", value: level }] }] },
    },
  },
});

const three = async () => {
  const settings = new ConfigMap("settings", { metadata: { name: "settings" }, data: { level: "info" } });
  const { apiVersion: _, kind: __, ...web } = manifestOf("web", "info");
  const deployment = new Deployment("web", {
    ...web,
    metadata: { ...web.metadata, annotations: { of: settings.metadata.uid } },
  });
  const service = new Service("web", {
    metadata: { name: "web", annotations: { "pulumi.com/skipAwait": "true", of: deployment.metadata.uid } },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  return { address: service.spec.clusterIP };
};

const one = (index: number, level: string) => async () => {
  const { apiVersion: _, kind: __, metadata, ...rest } = manifestOf(`ours-${index}`, level);
  // kubectl does not wait either.
  const annotations = { "pulumi.com/skipAwait": "true" };
  void new Deployment("web", { ...rest, metadata: { ...metadata, annotations } });
};

async function ours(level: string): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < deployments) {
      const index = next++;
      await engine.up({ ...shop, deployment: `fleet-${index}` }, one(index, level), { config });
    }
  };
  await Promise.all(Array.from({ length: stacksAtOnce }, worker));
}

const folder = mkdtempSync(join(tmpdir(), "waybill-bench-"));
await using world = await makeKubernetesEngine({ prefix: "k1-bench" });
const { engine, namespace, config } = world;
const theirs = (level: string) => async (): Promise<void> => {
  const items = Array.from({ length: deployments }, (_, index) => manifestOf(`theirs-${index}`, level));
  const file = join(folder, "all.json");
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  await run(kubectl, ["apply", "--server-side", "-n", namespace, "-f", file], { maxBuffer: 1 << 26 });
};

let isMissed = false;
try {
  await engine.up(shop, three, { config });
  for (let index = 0; index < 20; index++) await engine.up(shop, three, { config });
  const unchanged: number[] = [];
  for (let index = 0; index < 50; index++) unchanged.push(await timed(() => engine.up(shop, three, { config })));
  const unchangedMs = median(unchanged);
  isMissed ||= unchangedMs > maxUnchangedMs;
  console.log(`three unchanged objects: ${unchangedMs.toFixed(1)} ms (wanted: at most ${maxUnchangedMs} ms)`);
  if (cliSkip === false) {
    using cli = makeCliTestEngine({ providers: { kubernetes: world.provider } });
    const byCli: number[] = [];
    for (let index = 0; index < 6; index++) byCli.push(await timed(() => cli.engine.up(shop, three, { config })));
    const cliMs = median(byCli.slice(1));
    // stack.up asks for outputs and history besides: bench/engine.ts has what that costs.
    console.log(`the same by the Pulumi CLI, as the driver runs it: ${cliMs.toFixed(0)} ms`);
    console.log(`in process ${(cliMs / unchangedMs).toFixed(0)} times as fast`);
  }
  await ours("0");
  await theirs("0")();
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 1; round <= rounds; round++) {
    times.ours.push(await timed(() => ours(String(round))));
    times.theirs.push(await timed(theirs(String(round))));
  }
  const [oursMs, theirsMs] = [median(times.ours), median(times.theirs)];
  const ratio = theirsMs / oursMs;
  isMissed ||= ratio < minRateToKubectl;
  console.log(`${deployments} deployments changed: ours ${oursMs.toFixed(0)} ms, kubectl ${theirsMs.toFixed(0)} ms`);
  console.log(ratioLine("rate", { ratio, wanted: `at least ${minRateToKubectl}x`, competitor: "kubectl apply" }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = isMissed ? 1 : 0;
