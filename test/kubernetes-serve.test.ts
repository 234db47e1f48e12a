import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { clusterSkip, kubeconfigPath, openTestCluster, patience } from "./support/cluster.ts";
import { service, startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";

// The same repository and the same files as on one machine, run by a cluster: from a push to a pod behind the gateway.

/** With Node.js, sh and tar. The cluster must have it, or be able to pull it. */
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

const name = `k2-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });

describe("a repository on a cluster", { skip: clusterSkip() }, () => {
  let served: Served;
  let shop: Clone;
  let cluster: Cluster;

  before(async () => {
    cluster = await openTestCluster();
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `targets:
  local: {kind: local}
  cluster:
    kind: kubernetes
    kubeconfig: ${kubeconfigPath()}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
defaultTarget: cluster
`,
    });
    await served.start();
    shop = await served.clone(name);
  });
  after(async () => {
    await served?.close();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  const list = async (apiVersion: string, kind: string) =>
    (await cluster.list({ apiVersion, kind, namespace }, patience())).items;

  async function accepted(pushing: ReturnType<Clone["push"]>): Promise<string> {
    const { exitCode, stderr } = await pushing;
    assert.equal(exitCode, 0, stderr);
    return stderr.replaceAll(/^remote: /gm, "");
  }

  interface Shown {
    readonly name: string;
    readonly state: string;
    readonly reason: string;
  }
  const shown = async (deployment: string): Promise<Shown | undefined> =>
    ((await served.json(["status"])) as { deployments: Shown[] }).deployments.find((one) => one.name === deployment);

  test("a push runs its files in a pod, behind the gateway", async () => {
    const said = await accepted(
      shop.push({ "deployments/web.yaml": service("web"), "web/main.js": webProgram("one") }),
    );
    assert.match(said, /web {2}ready/);
    assert.equal((await served.get("web")).body, "one");
    assert.equal((await shown("web"))?.state, "ready");
    assert.equal((await list("apps/v1", "Deployment")).length, 1);
  });

  test("another push moves over without losing a request; going back does, too", async () => {
    const load = new AbortController();
    const answers: string[] = [];
    const loading = (async () => {
      while (!load.signal.aborted) {
        const { status, body } = await served.get("web");
        answers.push(`${status} ${body}`);
      }
    })();
    await accepted(shop.push({ "web/main.js": webProgram("two") }));
    await served.json(["rollback", "production", "--to", "1"], { cwd: shop.path });
    await until("the first one answers again", async () => (await served.get("web")).body === "one", 120_000);
    load.abort();
    await loading;
    assert.deepEqual([...new Set(answers)], ["200 one", "200 two", "200 one"].slice(0, 2));
    assert.ok(answers.length > 20);
    await served.json(["release", "production"], { cwd: shop.path });
  });

  test("a removed file removes its objects, and the last one the namespace", async () => {
    await shop.git("rm", "--quiet", "deployments/web.yaml");
    await accepted(shop.push({}));
  });
});
