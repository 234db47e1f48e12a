import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namespaceOf } from "../../src/targets/kubernetes/names.ts";
import { kubeconfigPath, openTestCluster, patience } from "./cluster.ts";
import { startServed, type Clone } from "./served.ts";

/** With Node.js, sh and tar. The cluster must have it, or be able to pull it. */
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

/** In place of Waybill's own program for workers: objects that no node has to start anything for. */
const oneConfigMap = `import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { clusterProvider } from "waybill/templates/kubernetes/parts";
export const program = ({ spec }, place) => async () => {
  const metadata = { name: spec.name, namespace: place.namespace };
  new ConfigMap(spec.name, { metadata, data: { level: spec.env.LEVEL } }, { provider: clusterProvider(place) });
};
`;

/** A Deployment of no pods, without any wait: what `kubectl apply` does with the same object. */
const oneDeployment = `import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { clusterProvider } from "waybill/templates/kubernetes/parts";
export const program = ({ spec }, place) => async () => {
  const { name } = spec;
  const labels = { app: name };
  const env = [{ name: "LEVEL", value: spec.env.LEVEL }];
  const securityContext = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
  };
  const containers = [{ name: "main", image: "local/pause:1", env, securityContext }];
  new Deployment(
    name,
    {
      metadata: { name, namespace: place.namespace, labels, annotations: { "pulumi.com/skipAwait": "true" } },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations: { level: spec.env.LEVEL } }, spec: { containers } },
      },
    },
    { provider: clusterProvider(place) },
  );
};
`;

const templates = { ConfigMap: oneConfigMap, Deployment: oneDeployment } as const;

interface FleetOptions {
  /** What a worker of it is in the cluster. */
  readonly workers?: keyof typeof templates;
  /** Of what stands before the cluster. */
  readonly kubeconfig?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The product on a cluster, for repositories of very many deployments. */
export async function startFleetServer(options: FleetOptions = {}) {
  const { workers = "ConfigMap", kubeconfig = kubeconfigPath(), env = {} } = options;
  const cluster = await openTestCluster();
  const namespaces: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), "waybill-fleet-"));
  const template = join(folder, "worker.mjs");
  await writeFile(template, templates[workers]);
  const served = await startServed({
    env: { WAYBILL_HOST: "0.0.0.0", ...env },
    config: (port) => `targets:
  local: {kind: local}
  cluster:
    kind: kubernetes
    kubeconfig: ${JSON.stringify(kubeconfig)}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
    templates: {worker: "${template}"}
defaultTarget: cluster
`,
  });
  return {
    served,
    cluster,
    /** A clone of a repository of its own, and the namespace that it deploys to. */
    async clone(prefix: string): Promise<Clone & { readonly namespace: string; readonly name: string }> {
      const name = `${prefix}-${randomBytes(3).toString("hex")}`;
      const namespace = namespaceOf({ repository: name, environment: "production" });
      namespaces.push(namespace);
      return { ...(await served.clone(name)), namespace, name };
    },
    async close(): Promise<void> {
      await served.close();
      await rm(folder, { recursive: true });
      for (const name of namespaces)
        await cluster.delete({ apiVersion: "v1", kind: "Namespace", name }, { signal: patience() });
      cluster.close();
    },
  };
}

/** A worker's file. Pods of that image are never asked for: a template stands in for them. */
export const worker = (level: string): string => `apiVersion: waybill/v1
kind: worker
source: {image: "example.org/worker@sha256:${"0".repeat(64)}"}
size: {cpu: 0.001, memory: 16Mi}
env: {LEVEL: "${level}"}
`;

export const workerFiles = (names: readonly string[], level: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [`deployments/${name}.yaml`, worker(level)]));

export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
