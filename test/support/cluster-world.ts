import { randomBytes } from "node:crypto";
import { namespaceOf } from "../../src/targets/kubernetes/names.ts";
import { kubeconfigPath, openTestCluster, patience } from "./cluster.ts";
import { startServed } from "./served.ts";
import type { TargetWorld } from "./target-world.ts";

/** With Node.js, sh and tar. The cluster must have it, or be able to pull it. */
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

/** The same product, its programs as pods of the cluster that KUBECONFIG names. */
export async function clusterWorld(): Promise<TargetWorld> {
  const name = `k3-${randomBytes(3).toString("hex")}`;
  const namespace = namespaceOf({ repository: name, environment: "production" });
  const cluster = await openTestCluster();
  const served = await startServed({
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
  return {
    served,
    shop: await served.clone(name),
    keepsLogs: false,
    async running(deployment) {
      const labelSelector = `waybill.dev/deployment=${deployment}`;
      const selection = { apiVersion: "v1", kind: "Pod", namespace, labelSelector };
      const { items } = await cluster.list(selection, patience());
      // What is ending takes no more requests.
      return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length;
    },
    start: () => served.start(),
    async close() {
      await served.close();
      await cluster.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
      cluster.close();
    },
  };
}
