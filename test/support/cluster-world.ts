import { randomBytes } from "node:crypto";
import type { Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../../src/targets/kubernetes/names.ts";
import { hostAddress, nodeImage, openTestCluster, patience, serverKubeconfigPath } from "./cluster.ts";
import { startServed } from "./served.ts";
import type { TargetWorld } from "./target-world.ts";

export interface ClusterWorld extends TargetWorld {
  readonly cluster: Cluster;
  readonly repository: string;
  /** Of the repository's environment `production`. */
  readonly namespace: string;
}

/** The same product, its programs as pods of the cluster that KUBECONFIG names. `settings`: further lines of the target. */
export async function clusterWorld(settings = "", runtimes: Record<string, string> = {}): Promise<ClusterWorld> {
  const name = `k3-${randomBytes(3).toString("hex")}`;
  const namespace = namespaceOf({ repository: name, environment: "production" });
  const cluster = await openTestCluster();
  const served = await startServed({
    env: { WAYBILL_HOST: "0.0.0.0" },
    config: (port) => `targets:
  local: {kind: local}
  cluster:
    kind: kubernetes
    kubeconfig: ${serverKubeconfigPath()}
    runtimes: ${JSON.stringify({ node: nodeImage, ...runtimes })}
    sourceUrl: http://${hostAddress}:${port}
${settings}defaultTarget: cluster
`,
  });
  await served.start();
  return {
    served,
    cluster,
    repository: name,
    namespace,
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
