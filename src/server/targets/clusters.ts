import { Agent } from "node:http";
import type { PublicOrigin } from "../../access/origin.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Lease } from "../../core/lease.ts";
import type { Log } from "../../core/log.ts";
import { repositoryName } from "../../core/names.ts";
import { scheduledProgram } from "../../runs/order.ts";
import type { Git } from "../../git/git.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { openCluster, type Cluster } from "../../targets/kubernetes/cluster/cluster.ts";
import type { ConnectionOptions } from "../../targets/kubernetes/cluster/connection.ts";
import type { OwnGateway } from "../../targets/kubernetes/entrance/guard.ts";
import { makeKubernetesProvider } from "../../targets/kubernetes/provider/provider.ts";
import { makeHandOvers } from "../../targets/kubernetes/runs/hand-over.ts";
import { makeArchives, type Archives } from "../../targets/kubernetes/sources/archives.ts";
import { makeSourceEndpoint } from "../../targets/kubernetes/sources/endpoint.ts";
import { makeSourceUrls } from "../../targets/kubernetes/sources/signature.ts";
import { makeMadeSourceProvider, makeMadeSources } from "../../targets/kubernetes/sources/made-source-provider.ts";
import { keepAddressesGood } from "../../targets/kubernetes/sources/renewal.ts";
import { makeKubernetesTarget, type KubernetesTargetDependencies } from "../../targets/kubernetes/target.ts";
import type { RouteParking } from "../../targets/route.ts";
import { serverIdentity } from "../../targets/kubernetes/names.ts";
import { sourceBase } from "../../targets/kubernetes/places.ts";
import type { LineBook } from "../../targets/kubernetes/rollout/line-keeper.ts";
import { loadPrograms } from "../../targets/kubernetes/programs.ts";
import type { Target } from "../../targets/target.ts";
import type { SecretReader } from "../../targets/workload.ts";
import type { Closers } from "../closers.ts";
import type { WatchedCluster } from "./drift.ts";
import type { Clusters } from "./targets.ts";

interface ClustersParts {
  readonly wanted: readonly (readonly [name: string, settings: KubernetesTargetSettings])[];
  /** Where archives of sources are kept. */
  readonly folder: string;
  /** Where what is known of runs is kept. */
  readonly runsFolder: string;
  readonly runOutputBytes: number | undefined;
  readonly masterKey: Uint8Array;
  readonly git: Git;
  readonly origin: PublicOrigin;
  readonly secrets: SecretReader;
  readonly appliedOf: KubernetesTargetDependencies["appliedOf"];
  readonly entrance: RouteParking;
  /** Where the gateway beside this server takes requests. */
  readonly gatewayUrl: string;
  readonly lineBookOf: (target: string) => LineBook;
  readonly lease: Pick<Lease, "confirm">;
  readonly log: Log;
  readonly closers: Closers;
}

/** The settings' Kubernetes targets: one connection for each, shared by all that talk to that cluster. */
export async function openKubernetes(parts: ClustersParts): Promise<Clusters> {
  const { wanted, folder, masterKey, git, origin, secrets, lease, log, closers } = parts;
  const clock = systemClock;
  const { domain: host, scheme } = origin;
  const connect = makeConnections({ closers, lease });
  const urls = makeSourceUrls({ masterKey, clock });
  const server = serverIdentity(masterKey);
  const archives = archivesOf(git, folder);
  const handOvers = makeHandOvers(parts.runsFolder, parts.runOutputBytes);
  const sources = makeMadeSources({ archives, urls, reach: (name) => reach(name), clock, log });
  const provider = makeKubernetesProvider({ connect, clock, log });
  closers.add(() => provider.close());
  const { renewing, signal } = openRenewals(closers);
  const ownGateway = openGateway(parts);
  const reaches = new Map<string, WatchedCluster & { sourceUrl: string; host: string }>();
  const targets: Record<string, Target> = {};
  for (const [name, settings] of wanted) {
    const cluster = await connect(settings);
    const target = makeKubernetesTarget({
      name,
      settings,
      server,
      cluster,
      runs: { folder: parts.runsFolder, handOvers, sources },
      programs: await loadPrograms(settings.templates ?? {}),
      secrets,
      urls,
      host,
      scheme,
      scheduled: scheduledProgram,
      appliedOf: parts.appliedOf,
      entrance: parts.entrance,
      ownGateway,
      lineBook: parts.lineBookOf(name),
      clock,
      log,
    });
    closers.add(() => target.close());
    targets[name] = target;
    const sourceUrl = sourceBase(settings);
    reaches.set(name, { ...watchedOf(settings), cluster, server, sourceUrl, host });
    renewing.push(keepAddressesGood({ cluster, server, urls, sourceUrl, clock, log }, signal));
  }
  const reach = (name: string) => {
    const found = reaches.get(name);
    if (found) return found;
    throw new WaybillError("TARGET_UNSUPPORTED", `target "${name}" is no cluster of this server's settings`);
  };
  renewing.push(sweepArchives(archives, { clock, log, signal }));
  return {
    targets,
    watched: Object.fromEntries(reaches),
    providers: { kubernetes: provider },
    resources: { "waybill:kubernetes:Source": makeMadeSourceProvider({ archives, sources }) },
    sources: makeSourceEndpoint({ archives, urls, receive: (start, body) => handOvers.receive(start, body) }),
  };
}

/** What goes on while the server runs. */
function openRenewals(closers: Closers): { readonly renewing: Promise<void>[]; readonly signal: AbortSignal } {
  const stopping = new AbortController();
  const renewing: Promise<void>[] = [];
  closers.add(async () => {
    stopping.abort(new Error("the server is stopping"));
    await Promise.all(renewing);
  });
  return { renewing, signal: stopping.signal };
}

function openGateway({ gatewayUrl, closers }: Pick<ClustersParts, "gatewayUrl" | "closers">): OwnGateway {
  const agent = new Agent({ keepAlive: true, timeout: questionsApartMs });
  closers.add(() => agent.destroy());
  return { url: gatewayUrl, agent };
}

// A gateway that hands over, or ends, waits for the connections that it has.
const questionsApartMs = 2_000;

const watchedOf = ({ drift = "show", schedules }: KubernetesTargetSettings) => ({
  drift,
  further: schedules === "cronJobs" ? [{ apiVersion: "batch/v1", kind: "CronJob" }] : [],
});

const archivesOf = (git: Git, folder: string): Archives =>
  makeArchives({
    folder,
    clock: systemClock,
    source: {
      archive: async ({ repository, tree, ...options }, write) =>
        (await git.open(repositoryName(repository))).archive(tree, options, write),
    },
  });

const sweepMs = 6 * 60 * 60 * 1_000;
// A tree's own archive is made again when it is asked for.
const keptUnusedMs = 3 * 24 * 60 * 60 * 1_000;

interface Sweeping {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

async function sweepArchives(archives: Pick<Archives, "sweep">, { clock, log, signal }: Sweeping): Promise<void> {
  while (!signal.aborted) {
    await archives.sweep(keptUnusedMs).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, "archives of sources could not be swept");
    });
    await clock.sleep(sweepMs, signal).catch(() => undefined);
  }
}

/** One per kubeconfig and context. */
function makeConnections({ closers, lease }: Pick<ClustersParts, "closers" | "lease">) {
  const open = new Map<string, Promise<Cluster>>();
  closers.add(async () => {
    for (const cluster of open.values()) (await cluster.catch(() => null))?.close();
  });
  return ({ kubeconfig, context }: ConnectionOptions): Promise<Cluster> => {
    const key = JSON.stringify([kubeconfig, context]);
    const known = open.get(key);
    if (known) return known;
    const options = { ...(kubeconfig !== undefined && { kubeconfig }), ...(context !== undefined && { context }) };
    const cluster = openCluster({ ...options, mayChange: () => lease.confirm() });
    open.set(key, cluster);
    cluster.catch(() => open.delete(key));
    return cluster;
  };
}
