// 200 deployments changed by one push, from the push to the last live object, beside `kubectl apply --server-side` of
// the same objects (Deployments of no pods) in turn; and as many stacks as 16 at once get through by the Pulumi CLI.
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { makeInformer } from "../src/targets/kubernetes/cluster/informer.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { cliSkip, makeCliTestEngine } from "../test/support/cli-engine.ts";
import { namesOf, startFleetServer, workerFiles } from "../test/support/cluster-fleet.ts";
import { freshNamespace, kubeconfigPath } from "../test/support/cluster.ts";
import { makeKubernetesEngine } from "../test/support/kubernetes-engine.ts";
import { shop } from "../test/support/stacks.ts";
import { median, ratioLine, timed } from "./support.ts";

const rounds = Number(process.env["ROUNDS"] ?? 5);
const count = Number(process.env["COUNT"] ?? 200);
const cliStacks = Number(process.env["CLI_STACKS"] ?? 32);
const cliAtOnce = 16;
const [minRateToKubectl, minRateToCli] = [0.8, 3];

const run = promisify(execFile);
const kubectl = join(dirname(kubeconfigPath()), "bin", "kubectl");

/** As the template of test/support/cluster-fleet.ts makes it. */
function manifestOf(name: string, level: string) {
  const labels = { app: name };
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
  };
  const env = [{ name: "LEVEL", value: level }];
  const containers = [{ name: "main", image: "local/pause:1", env, securityContext }];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels, annotations: { "pulumi.com/skipAwait": "true" } },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations: { level } }, spec: { containers } },
    },
  };
}

interface WithLevel extends KubeObject {
  readonly spec: { readonly template: { readonly metadata: { readonly annotations: { readonly level: string } } } };
}

/** Rates, in deployments a second, of one server's pushes and of kubectl's applies. */
async function pushesBesideKubectl(folder: string): Promise<{ readonly ours: number; readonly ratio: number }> {
  const server = await startFleetServer({ workers: "Deployment" });
  await using theirs = await freshNamespace("fleet-kubectl");
  const seen = new Map<string, string>();
  try {
    await server.served.start();
    const clone = await server.clone("fleet-rate");
    const names = namesOf("web", count);
    const informer = makeInformer<WithLevel>(server.cluster, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: clone.namespace,
      onChange: ({ object }) => void seen.set(object.metadata.name, object.spec.template.metadata.annotations.level),
    });
    const push = async (level: string): Promise<number> => {
      await clone.write(workerFiles(names, level));
      await clone.commit(level);
      let pushed: Promise<unknown> = Promise.resolve();
      const tookMs = await timed(async () => {
        pushed = clone.git("push", "--quiet", "origin", "main");
        while (!names.every((name) => seen.get(name) === level)) await sleep(5);
      });
      await pushed;
      return tookMs;
    };
    const apply = async (level: string): Promise<number> => {
      const file = join(folder, "all.json");
      const items = names.map((name) => manifestOf(name, level));
      await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
      return timed(() =>
        run(kubectl, ["apply", "--server-side", "-n", theirs.name, "-f", file], { maxBuffer: 1 << 26 }),
      );
    };
    console.log(
      `${count} all new: push ${(await push("0")).toFixed(0)} ms, kubectl ${(await apply("0")).toFixed(0)} ms`,
    );
    const times = { ours: [] as number[], theirs: [] as number[] };
    for (let round = 1; round <= rounds; round += 1) {
      times.ours.push(await push(`r${round}`));
      times.theirs.push(await apply(`r${round}`));
    }
    await informer.close();
    const [oursMs, theirsMs] = [median(times.ours), median(times.theirs)];
    console.log(`${count} changed: push ${oursMs.toFixed(0)} ms, kubectl ${theirsMs.toFixed(0)} ms`);
    const ratios = times.ours.map((ms, index) => (times.theirs[index] ?? Number.NaN) / ms);
    return { ours: (count * 1_000) / oursMs, ratio: median(ratios) };
  } finally {
    await server.close();
  }
}

/** What the CLI gets through, in stacks a second. */
async function byCli(): Promise<number> {
  await using world = await makeKubernetesEngine({ prefix: "fleet-cli" });
  using cli = makeCliTestEngine({ providers: { kubernetes: world.provider } });
  const all = async (level: string): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < cliStacks) {
        const name = `web-${next++}`;
        const { apiVersion: _, kind: __, ...args } = manifestOf(name, level);
        const program = async () => void new Deployment("web", args);
        await cli.engine.up({ ...shop, deployment: name }, program, { config: world.config });
      }
    };
    await Promise.all(Array.from({ length: cliAtOnce }, worker));
  };
  await all("0");
  return (cliStacks * 1_000) / (await timed(() => all("1")));
}

const folder = await mkdtemp(join(tmpdir(), "waybill-bench-"));
try {
  const { ours, ratio } = await pushesBesideKubectl(folder);
  console.log(ratioLine("rate", { ratio, wanted: `at least ${minRateToKubectl}`, competitor: "kubectl apply" }));
  let isMissed = ratio < minRateToKubectl;
  if (cliSkip === false) {
    const theirs = await byCli();
    const toCli = ours / theirs;
    console.log(`a push applies ${ours.toFixed(1)} deployments a second, the CLI ${theirs.toFixed(1)}`);
    console.log(ratioLine("rate", { ratio: toCli, wanted: `at least ${minRateToCli}`, competitor: "the Pulumi CLI" }));
    isMissed ||= toCli < minRateToCli;
  }
  process.exitCode = isMissed ? 1 : 0;
} finally {
  await rm(folder, { recursive: true, force: true });
}
