import type { PublicOrigin } from "../access/origin.ts";
import { systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { repositoryName } from "../core/names.ts";
import type { Git } from "../git/git.ts";
import type { KubernetesTargetSettings } from "../spec/server-settings.ts";
import { openCluster, type Cluster } from "../targets/kubernetes/cluster/cluster.ts";
import type { ConnectionOptions } from "../targets/kubernetes/cluster/connection.ts";
import { makeKubernetesProvider } from "../targets/kubernetes/provider/provider.ts";
import { makeArchives } from "../targets/kubernetes/sources/archives.ts";
import { makeSourceEndpoint } from "../targets/kubernetes/sources/endpoint.ts";
import { makeSourceUrls } from "../targets/kubernetes/sources/signature.ts";
import { makeKubernetesTarget } from "../targets/kubernetes/target.ts";
import type { Target } from "../targets/target.ts";
import type { SecretReader } from "../targets/workload.ts";
import type { Closers } from "./closers.ts";
import type { Clusters } from "./targets.ts";

interface ClustersParts {
  readonly wanted: readonly (readonly [name: string, settings: KubernetesTargetSettings])[];
  /** Where archives of sources are kept. */
  readonly folder: string;
  readonly masterKey: Uint8Array;
  readonly git: Git;
  readonly origin: PublicOrigin;
  readonly secrets: SecretReader;
  readonly log: Log;
  readonly closers: Closers;
}

/** The settings' Kubernetes targets: one connection for each, shared by all that talk to that cluster. */
export async function openKubernetes(parts: ClustersParts): Promise<Clusters> {
  const { wanted, folder, masterKey, git, origin, secrets, log, closers } = parts;
  const clock = systemClock;
  const connect = makeConnections(closers);
  const urls = makeSourceUrls({ masterKey, clock });
  const archives = makeArchives({
    folder,
    clock,
    source: {
      archive: async ({ repository, tree, ...options }, write) =>
        (await git.open(repositoryName(repository))).archive(tree, options, write),
    },
  });
  const provider = makeKubernetesProvider({ connect, clock, log });
  closers.add(() => provider.close());
  const targets: Record<string, Target> = {};
  for (const [name, settings] of wanted) {
    const cluster = await connect(settings);
    const target = makeKubernetesTarget({ name, settings, cluster, secrets, urls, host: origin.domain, clock, log });
    closers.add(() => target.close());
    targets[name] = target;
  }
  return { targets, providers: { kubernetes: provider }, sources: makeSourceEndpoint({ archives, urls }) };
}

/** One per kubeconfig and context. */
function makeConnections(closers: Closers): (options: ConnectionOptions) => Promise<Cluster> {
  const open = new Map<string, Promise<Cluster>>();
  closers.add(async () => {
    for (const cluster of open.values()) (await cluster.catch(() => null))?.close();
  });
  return ({ kubeconfig, context }) => {
    const key = JSON.stringify([kubeconfig, context]);
    const known = open.get(key);
    if (known) return known;
    const options = { ...(kubeconfig !== undefined && { kubeconfig }), ...(context !== undefined && { context }) };
    const cluster = openCluster(options);
    open.set(key, cluster);
    cluster.catch(() => open.delete(key));
    return cluster;
  };
}
