import { join } from "node:path";
import { workloadUrl } from "../../access/origin.ts";
import { systemClock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import type { Lease } from "../../core/lease.ts";
import type { Log } from "../../core/log.ts";
import { repositoryName } from "../../core/names.ts";
import type { Spawn } from "../../core/spawn.ts";
import type { StackName } from "../../core/stack.ts";
import { makeEngine, type Engine } from "../../engine/engine.ts";
import type { Provider } from "../../engine/provider.ts";
import type { StackState, StateStore } from "../../engine/state.ts";
import type { Deployer } from "../../release/deployer.ts";
import type { ReleaseStore } from "../../release/store.ts";
import type { ServerSettings } from "../../spec/server-settings.ts";
import type { RouteStore } from "../../store/routes.ts";
import { makeLineBook } from "../../store/rollouts/line-book.ts";
import { makeReadAhead } from "../../store/read-ahead.ts";
import { makeStackStore } from "../../store/stacks.ts";
import { makeEngineDeployer } from "../../targets/deployer/engine-deployer.ts";
import { foundationTarget, makeFoundations } from "../../targets/deployer/foundations.ts";
import { makeConcealment } from "../../targets/concealment.ts";
import { makeLocalTarget, type LocalTarget } from "../../targets/local/target.ts";
import { whileHeld } from "../../targets/held.ts";
import { withResources } from "../../targets/resources.ts";
import type { Route } from "../../targets/route.ts";
import type { Secrets } from "../../targets/secrets.ts";
import { makeRestoringDeployer } from "../../targets/deployer/restoring-deployer.ts";
import { makeRolloutDeployer } from "../../targets/rollout.ts";
import type { SleepPlace, Sleeper } from "../../targets/sleep/keeper.ts";
import type { AppliedStacks } from "../../targets/kubernetes/drift/watch.ts";
import { makeTargets } from "../../targets/targets.ts";
import type { Target } from "../../targets/target.ts";
import type { Base } from "../base.ts";
import type { Closers } from "../closers.ts";
import type { DataFolder } from "../data-folder.ts";
import type { OpenDrift, WatchedCluster } from "./drift.ts";
import { makeEngines, type Engines } from "./engines.ts";
import type { ServeOptions } from "../options.ts";
import type { Replica } from "../replicas/replica.ts";

interface TargetsParts {
  readonly options: ServeOptions;
  readonly settings: ServerSettings;
  readonly folder: DataFolder;
  readonly base: Base;
  readonly routes: RouteStore;
  readonly secrets: Secrets;
  readonly store: Pick<ReleaseStore, "deployment">;
  readonly lease: Pick<Lease, "confirm">;
  readonly replica: Replica | null;
  readonly log: Log;
  readonly spawn: Spawn;
  readonly closers: Closers;
}

export interface Sources {
  handle(request: Request, repository: string, file: string): Promise<Response>;
}

export interface Clusters {
  readonly targets: Readonly<Record<string, Target>>;
  readonly providers: Readonly<Record<string, Provider>>;
  /** Further resources of the package `waybill`, by type. */
  readonly resources: Readonly<Record<string, Provider>>;
  readonly watched: Readonly<Record<string, WatchedCluster>>;
  readonly sources: Sources;
}

/** For a server that deploys to no cluster. */
const noClusters: Clusters = {
  targets: {},
  providers: {},
  resources: {},
  watched: {},
  sources: {
    handle: () => Promise.reject(new WaybillError("NOT_FOUND", "this server has no target that fetches sources")),
  },
};

export interface OpenTargets {
  /** All of them as one. */
  readonly target: Target;
  readonly deployer: Deployer;
  /** Whose a place is by what its routes lead to. */
  readonly sleeperOf: (place: SleepPlace) => Sleeper | null;
  readonly sources: Sources;
  /** What others change on clusters; null for a server that deploys to none. */
  readonly drift: OpenDrift | null;
  /** Deployments' states, whichever engine has them. */
  readonly stacks: Pick<Engine, "export" | "import">;
}

/** Every target of the settings, and the engine that runs their programs. Processes of this machine outlive the server. */
export async function openTargets(parts: TargetsParts): Promise<OpenTargets> {
  const { options, settings, base, closers, store } = parts;
  const states = makeReadAhead(makeStackStore(base.db));
  const local = openLocal(parts, async (stack, id) => holds(await engines.states.load(stack), id));
  const clusters = await openClusters(parts);
  const waybill = whileHeld(withResources(local.providers.waybill, clusters.resources), parts.lease);
  const providers: Readonly<Record<string, Provider>> = { ...clusters.providers, waybill };
  const targetOf = async (stack: StackName): Promise<string | null> =>
    foundationTarget(stack) ?? (await store.deployment(stack))?.workload?.target ?? null;
  const engines = await openEngines(parts, { states, providers, targetOf });
  const { engine } = engines;
  closers.add(() => engine.close());
  await local.adopt();
  closers.add(() => (options.stopWorkloads ? local.stopAll() : local.detach()));
  const target = makeTargets({
    targets: Object.fromEntries(
      Object.keys(settings.targets).map((name) => [name, clusters.targets[name] ?? local] as const),
    ),
    targetOf,
  });
  const hasClusters = Object.keys(clusters.targets).length > 0;
  const foundations = makeFoundations({ engine, states: engines.states });
  const urlOf = (host: string): string => workloadUrl(base.origin, host);
  const drift = hasClusters
    ? await watchDrift(parts, clusters, {
        list: () => states.list(),
        export: (stack, asked) => engine.export(stack, asked),
      })
    : null;
  const plain = makeEngineDeployer({
    engine,
    target,
    expect: (stack) => states.expect(stack),
    ...(hasClusters && { foundations }),
    urlOf,
    // A deploy is over when its routes are in force: gateways hear of them by the database, which may take its time.
    inForce: async (stack) => base.traffic.told(stack, (await parts.routes.list(stack)).map(hostOf)),
  });
  const rollouts = makeRolloutDeployer({
    deployer: drift ? makeRestoringDeployer({ deployer: plain, engine, target, foundations, drifts: drift }) : plain,
    rollouts: new Map(
      Object.entries(clusters.targets).flatMap(([name, { rollouts }]) => (rollouts ? [[name, rollouts]] : [])),
    ),
    ground: (workload, { signal }) =>
      foundations.under(target.foundation?.(workload) ?? null, { signal }, () => Promise.resolve()),
  });
  const deployer = makeConcealment(parts.secrets).deployer(rollouts);
  const sleeperOf = ({ upstreams }: SleepPlace): Sleeper | null => {
    const pods = upstreams.find((upstream) => upstream.kind === "pods");
    return (pods ? clusters.targets[pods.target] : local)?.sleeper ?? null;
  };
  return { target, deployer, sleeperOf, sources: clusters.sources, drift, stacks: engine };
}

const hostOf = ({ host }: Route): string => host;

async function watchDrift(
  { log, closers }: TargetsParts,
  { watched }: Clusters,
  stacks: AppliedStacks,
): Promise<OpenDrift> {
  const { openDrift } = await import("./drift.ts");
  return openDrift({ clusters: watched, stacks, log, closers });
}

interface EngineParts {
  readonly states: StateStore;
  readonly providers: Readonly<Record<string, Provider>>;
  readonly targetOf: (stack: StackName) => Promise<string | null>;
}

/** A server whose targets all run in process loads nothing of what the CLI takes. */
async function openEngines(parts: TargetsParts, { states, providers, targetOf }: EngineParts): Promise<Engines> {
  const { settings, folder, base, log, spawn } = parts;
  const secrets = base.cipher;
  const inProcess = makeEngine({ providers, state: states, secrets, clock: systemClock, log });
  const isByCli = Object.values(settings.targets).some(({ engine }) => engine === "pulumi-cli");
  if (!isByCli) return { engine: inProcess, states };
  const { openCliEngines } = await import("./cli-engines.ts");
  const own = join(folder.path, "pulumi");
  const byCli = openCliEngines({ settings, folder: own, masterKey: folder.key, providers, secrets, log, spawn });
  return makeEngines({ inProcess, states, byCli, targetOf });
}

/** Always there: sites are its folders, and host names its resources, whatever else a server deploys to. */
function openLocal(
  { settings, folder, base, replica, routes, secrets, lease, log, spawn }: TargetsParts,
  isOwned: (stack: StackName, id: string) => Promise<boolean>,
): LocalTarget {
  return makeLocalTarget({
    folder: folder.workloads,
    trees: {
      materialise: async (repository, tree, to, signal) =>
        (await base.git.open(repositoryName(repository))).materialise(tree, to, signal),
    },
    secrets,
    routes,
    isOwned,
    traffic: base.traffic,
    clock: systemClock,
    // The only server starts programs again while its database is away.
    ...(replica !== null && { lease }),
    log,
    spawn,
    ...(settings.runOutputBytes !== undefined && { runOutputBytes: settings.runOutputBytes }),
  });
}

/** A server without a cluster loads nothing of what one takes. */
async function openClusters(parts: TargetsParts): Promise<Clusters> {
  const { settings, folder, base, routes, store, secrets, lease, log, closers } = parts;
  const wanted = Object.entries(settings.targets).flatMap(([name, target]) =>
    target.kind === "kubernetes" ? [[name, target] as const] : [],
  );
  if (wanted.length === 0) return noClusters;
  const { openKubernetes } = await import("./clusters.ts");
  return openKubernetes({
    wanted,
    folder: join(folder.path, "sources"),
    runsFolder: join(folder.path, "runs"),
    runOutputBytes: settings.runOutputBytes,
    masterKey: folder.key,
    git: base.git,
    origin: base.origin,
    secrets,
    appliedOf: async (stack) => (await store.deployment(stack))?.appliedWorkload ?? null,
    entrance: routes,
    gatewayUrl: base.gatewayUrl,
    lineBookOf: (target) => makeLineBook(base.db, target),
    lease,
    log,
    closers,
  });
}

const holds = (stored: StackState | null, id: string): boolean =>
  stored?.state.deployment.resources?.some((resource) => resource.id === id) ?? false;
