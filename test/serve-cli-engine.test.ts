import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { UntypedDeployment } from "../src/engine/state.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { cliSkip } from "./support/cli-engine.ts";
import { clusterSkip, kubeconfigPath, openTestCluster, patience } from "./support/cluster.ts";
import { kubectl, kubectlSkip } from "./support/kubectl.ts";
import { service, startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";

// A target whose programs the Pulumi CLI runs: the same repository, the same files.

describe("a server whose engine is the Pulumi CLI", { skip: cliSkip }, () => {
  let served: Served;
  let shop: Clone;

  before(async () => {
    served = await startServed({ config: () => "targets:\n  local: {kind: local, engine: pulumi-cli}\n" });
    await served.start();
    shop = await served.clone("shop");
  });
  after(() => served?.close());

  const stateOf = async (): Promise<UntypedDeployment> =>
    (await served.json(["stack", "export", "web", "--repository", "shop", "--show-secrets"])) as UntypedDeployment;

  test("a push is applied, and another one changes it", async () => {
    const push = async (files: Readonly<Record<string, string>>): Promise<void> => {
      const { exitCode, stderr } = await shop.push(files);
      assert.equal(exitCode, 0, stderr);
    };
    await push({ "deployments/web.yaml": service("web"), "web/main.js": webProgram("one") });
    await until("it answers", async () => (await served.get("web")).body === "one", 60_000);
    assert.match(JSON.stringify(await stateOf()), /waybill:local:Process/);
    await push({ "web/main.js": webProgram("two") });
    await until("the new one answers", async () => (await served.get("web")).body === "two", 60_000);
  });

  test("its state is taken by the CLI on another backend, and given back", async () => {
    const folder = await mkdtemp(join(tmpdir(), "waybill-cli-"));
    const pulumi = (...args: readonly string[]): string => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: `file://${folder}`,
        PULUMI_CONFIG_PASSPHRASE: "another",
        PULUMI_SKIP_UPDATE_CHECK: "true",
      };
      const all = [...args, "--stack", "production--web", "--non-interactive"];
      const { status, stdout, stderr } = spawnSync("pulumi", all, { cwd: folder, encoding: "utf8", env });
      assert.equal(status, 0, stdout + stderr);
      return stdout;
    };
    try {
      await writeFile(join(folder, "Pulumi.yaml"), JSON.stringify({ name: "shop", runtime: "nodejs" }));
      pulumi("stack", "init");
      await writeFile(join(folder, "empty.json"), pulumi("stack", "export"));
      const ours = await served.cli(["stack", "export", "web", "-r", "shop", "--into", join(folder, "empty.json")]);
      await writeFile(join(folder, "ours.json"), ours.out);
      pulumi("stack", "import", "--file", "ours.json");
      const back = join(folder, "back.json");
      await writeFile(back, pulumi("stack", "export", "--show-secrets"));
      const said = await served.cli(["stack", "import", "web", back, "--repository", "shop"]);
      assert.equal(said.status, 0, said.err);
      const urns = (state: UntypedDeployment) => (state.deployment.resources ?? []).map(({ urn }) => urn);
      assert.deepEqual(urns(await stateOf()), urns(JSON.parse(pulumi("stack", "export")) as UntypedDeployment));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("what is no state is refused, and a deployment that was never applied has none", async () => {
    await writeFile(join(served.folder, "none.json"), JSON.stringify({ version: 2, deployment: {} }));
    const refused = await served.cli(["stack", "import", "web", join(served.folder, "none.json"), "-r", "shop"]);
    assert.equal(refused.status, 1);
    assert.match(refused.err, /STATE_INVALID the state of shop\/production--web cannot be used: its version is 2/);
    const none = await served.cli(["stack", "export", "nothing", "-r", "shop"]);
    assert.match(none.err, /NOT_FOUND shop\/production\/nothing has no state/);
  });
});

const clusterName = `k4-${randomBytes(3).toString("hex")}`;
/** With Node.js, sh and tar. */
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";
const podLimitMs = 120_000;

describe("a cluster whose programs the Pulumi CLI runs", { skip: cliSkip || clusterSkip() }, () => {
  let served: Served;

  before(async () => {
    const cluster = (port: number): string =>
      JSON.stringify({
        kind: "kubernetes",
        engine: "pulumi-cli",
        kubeconfig: kubeconfigPath(),
        runtimes: { node: nodeImage },
        drift: "restore",
        sourceUrl: `http://${hostAddress}:${port}`,
      });
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `targets: {local: {kind: local}, cluster: ${cluster(port)}}\ndefaultTarget: cluster\n`,
    });
    await served.start();
  });
  after(async () => {
    await served?.close();
    const cluster = await openTestCluster();
    const name = namespaceOf({ repository: clusterName, environment: "production" });
    await cluster.delete({ apiVersion: "v1", kind: "Namespace", name }, { signal: patience() });
    cluster.close();
  });

  test("a push is a pod behind the gateway, the next one takes its place", async () => {
    const shop = await served.clone(clusterName);
    for (const text of ["one", "two"]) {
      const { exitCode, stderr } = await shop.push({
        "deployments/web.yaml": service("web"),
        "web/main.js": webProgram(text),
      });
      assert.equal(exitCode, 0, stderr);
      await until(`${text} answers`, async () => (await served.get("web")).body === text, podLimitMs);
    }
    const { out } = await served.cli(["stack", "export", "web", "-r", clusterName]);
    assert.match(out, /kubernetes:apps\/v1:Deployment/);
  });

  const namespace = namespaceOf({ repository: clusterName, environment: "production" });

  test("what others change is seen, and put back", { skip: kubectlSkip() }, async () => {
    const status = async () => (await served.json(["status"])) as { deployments: { drift: { field: string }[] }[] };
    const drift = async () => (await status()).deployments.flatMap((each) => each.drift.map(({ field }) => field));
    await kubectl("-n", namespace, "scale", "deployment", "--all", "--replicas", "2");
    const replicas = () =>
      kubectl("-n", namespace, "get", "deployments", "--output", "jsonpath={.items[*].spec.replicas}");
    await until("it is shown", async () => (await drift()).includes("spec.replicas"), podLimitMs);
    await until("it is put back", async () => (await replicas()) === "1", podLimitMs);
    await until("it is over", async () => (await drift()).length === 0, podLimitMs);
    const renumber = '[{"op":"replace","path":"/spec/ports/0/port","value":9999}]';
    await kubectl("-n", namespace, "patch", "service", "web", "--type", "json", "--patch", renumber);
    const ports = () => kubectl("-n", namespace, "get", "service", "web", "--output", "jsonpath={.spec.ports[*].port}");
    await until("so is a port", async () => (await ports()) === "8000", podLimitMs);
  });

  test("a plan says what the cluster refuses, without the CLI", { skip: kubectlSkip() }, async () => {
    const limits = { apiVersion: "v1", kind: "LimitRange", metadata: { name: "small", namespace } };
    const cluster = await openTestCluster();
    const spec = { limits: [{ type: "Container", max: { memory: "64Mi" } }] };
    await cluster.apply({ ...limits, spec }, { signal: patience(), fieldManager: "test" });
    cluster.close();
    const shop = await served.clone(clusterName, { folder: "again" });
    await shop.git("pull", "--quiet", "origin", "main");
    const { exitCode, stderr } = await shop.push({
      "deployments/web.yaml": service("web", "size: {cpu: 0.05, memory: 128Mi}\n"),
    });
    assert.equal(exitCode, 1);
    assert.match(stderr, /target "cluster" would refuse it: .*maximum memory usage per Container is 64Mi/);
  });
});
