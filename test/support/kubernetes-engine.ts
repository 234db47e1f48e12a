import { systemClock } from "../../src/core/clock.ts";
import type { Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import { openCluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import { makeKubernetesProvider } from "../../src/targets/kubernetes/provider/provider.ts";
import { silentLog } from "../../src/core/log.ts";
import { kubeconfigPath, freshNamespace } from "./cluster.ts";
import { makeTestEngine } from "./stacks.ts";

/** Any image whose program does nothing and stays; already on the node, or to be had by it. */
export const idleImage = process.env["WAYBILL_TEST_IMAGE"] ?? "local/pause:1";

/** An engine with the real provider, on the cluster of KUBECONFIG or of what stands before it. */
export async function makeKubernetesEngine({ prefix = "k1", kubeconfig = kubeconfigPath() } = {}) {
  const place = await freshNamespace(prefix);
  let cluster: Promise<Cluster> | null = null;
  const connect = (): Promise<Cluster> => (cluster ??= openCluster({ kubeconfig }));
  const provider = makeKubernetesProvider({ connect, clock: systemClock, log: silentLog });
  const harness = makeTestEngine({ providers: { kubernetes: provider } });
  return {
    ...harness,
    provider,
    cluster: await connect(),
    namespace: place.name,
    config: { "kubernetes:namespace": place.name },
    async [Symbol.asyncDispose]() {
      harness.engine.close();
      await provider.close();
      (await cluster)?.close();
      await place[Symbol.asyncDispose]();
    },
  };
}
