import { randomBytes } from "node:crypto";
import { openCluster, type Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";

/** Why tests that need a cluster are skipped; false when there is one. For the `skip` option of a test. */
export const clusterSkip = (): string | false =>
  process.env["KUBECONFIG"] ? false : "no cluster: set KUBECONFIG to run this";

/** With Node.js, sh and tar. The cluster must have it, or be able to pull it. */
export const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
export const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

export function kubeconfigPath(): string {
  const path = process.env["KUBECONFIG"];
  if (!path) throw new Error("KUBECONFIG is not set; guard the test with clusterSkip()");
  return path;
}

/** What the server under test reaches the cluster by: an identity with fewer rights than the test's own, where given. */
export const serverKubeconfigPath = (): string => process.env["WAYBILL_TEST_SERVER_KUBECONFIG"] ?? kubeconfigPath();

export const openTestCluster = (): Promise<Cluster> => openCluster({ kubeconfig: kubeconfigPath() });

/** Time for what a test awaits of the cluster, so that a test that hangs says where. */
export const patience = (ms = 60_000): AbortSignal => AbortSignal.timeout(ms);

/** A namespace of its own, deleted by `await using`. Its end is not awaited: names are never used twice. */
export async function freshNamespace(prefix: string): Promise<AsyncDisposable & { readonly name: string }> {
  const name = `${prefix}-${randomBytes(4).toString("hex")}`;
  const cluster = await openTestCluster();
  const reference = { apiVersion: "v1", kind: "Namespace", name };
  await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } }, { signal: patience() });
  return {
    name,
    async [Symbol.asyncDispose]() {
      await cluster.delete(reference, { signal: patience() });
      cluster.close();
    },
  };
}
