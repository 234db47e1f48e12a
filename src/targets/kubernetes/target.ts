import { WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Program } from "../../engine/engine.ts";
import { program as siteProgram } from "../../../templates/local/site.ts";
import type { StackName } from "../../core/stack.ts";
import { foundationStack } from "../deployer/foundations.ts";
import type { Turn } from "../rollout.ts";
import type { RouteParking } from "../route.ts";
import type { Sleeper } from "../sleep/keeper.ts";
import type { Foundation, Guard, Target } from "../target.ts";
import type { Workload } from "../workload.ts";
import { isStatus } from "./cluster/cluster-error.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { guardOf, openingOf, type OwnGateway } from "./entrance/guard.ts";
import { isOfAnother, labels } from "./names.ts";
import { notices, refusals } from "./notices.ts";
import { makeFailures } from "./observe/failure.ts";
import { readLogs } from "./observe/logs.ts";
import type { PodObject } from "./observe/pods.ts";
import { makeClusterStatus } from "./observe/status.ts";
import type { EnvironmentPlace, Place } from "./place.ts";
import {
  environmentPlaceOf,
  isResting,
  jobPlaceOf,
  outlineOf,
  placeOf,
  type PlaceDependencies,
  type Programmed,
} from "./places.ts";
import { objectChangesOf } from "./preview/object-changes.ts";
import type { Programs } from "./programs.ts";
import type { LineBook } from "./rollout/line-keeper.ts";
import { makeClusterRollouts } from "./rollout/rollouts.ts";
import type { WakeOptions } from "./rollout/waking.ts";
import { makeClusterRuns, type ClusterRunsDependencies } from "./runs/executor.ts";
import { makeClusterSchedules, readSuspended } from "./runs/cluster-schedules.ts";
import { makeClusterSleeper } from "./sleeper.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";

export interface KubernetesTargetDependencies extends PlaceDependencies {
  readonly cluster: Cluster;
  readonly runs: Pick<ClusterRunsDependencies, "folder" | "handOvers" | "sources">;
  readonly programs: Programs;
  /** What was applied last for a stack; null where nothing was. */
  readonly appliedOf: (stack: StackName) => Promise<Workload | null>;
  /** Where requests come in; absent where they cannot be made to wait. */
  readonly entrance?: RouteParking;
  /** Asked after each apply where it is the entrance; absent where there is none. */
  readonly ownGateway?: OwnGateway;
  /** Where the order of those who wait for room is kept. */
  readonly lineBook?: LineBook;
  readonly log: Log;
}

/** Programs as pods of a cluster. */
export interface KubernetesTarget extends Target {
  readonly sleeper: Sleeper;
  close(): Promise<void>;
}

export function makeKubernetesTarget(dependencies: KubernetesTargetDependencies): KubernetesTarget {
  const { settings, server, cluster, appliedOf, entrance, lineBook, clock, log } = dependencies;
  const shortage = (pod: PodObject): string | null => rollouts?.shortage(pod.metadata) ?? null;
  const status = makeClusterStatus({ cluster, server, clock, log, shortage });
  const rollouts = settings.autoscaled
    ? null
    : makeClusterRollouts({
        cluster,
        server,
        outlineOf: (workload) => outlineOf(settings, workload, status.replicas(workload.stack)),
        ...(entrance && { entrance }),
        ...(lineBook && { lineBook }),
        clock,
        log,
      });
  const runs = makeClusterRuns({ ...dependencies, ...dependencies.runs });
  const schedules = makeClusterSchedules({ cluster, server, sight: runs.sight });
  const room = async (stack: StackName, options: WakeOptions): Promise<Turn> => {
    const workload = await appliedOf(stack);
    return workload && rollouts ? rollouts.wake(workload, options) : noTurn;
  };
  return {
    ...(rollouts && { rollouts }),
    sleeper: makeClusterSleeper({ cluster, status, clock, room }),
    foundation: (workload) => foundationOf(dependencies, workload),
    program: (workload) => chooseProgram(dependencies, workload, status.replicas(workload.stack)),
    guard: (workload) => guarded(dependencies, workload, status.replicas(workload.stack)),
    opening: (workload) => openingOf(dependencies, workload),
    preview: (workload) => previewOf(dependencies, workload, status.replicas(workload.stack)),
    ...makeFailures({ cluster, status, settings }),
    executor: () => runs,
    schedules,
    notices: (workload) => notices(workload, settings),
    status: (stack) => status.status(stack),
    onStatus: (listener) => status.onStatus(listener),
    logs: (stack, request) => readLogs({ cluster, status, log }, stack, request),
    async close() {
      await Promise.all([status.close(), rollouts?.close(), runs.close()]);
    },
  };
}

const noTurn: Turn = { end: () => undefined };

/** Files that the gateway serves, and what does not run, need no namespace. */
function foundationOf(dependencies: KubernetesTargetDependencies, workload: Workload): Foundation | null {
  const { spec, stack } = workload;
  if (spec.kind === "site" || !needsPlace(workload)) return null;
  const { place, digest } = environmentPlaceOf(dependencies, stack);
  return {
    stack: foundationStack(stack, dependencies.name),
    program: async () => {
      await refuseOthers(dependencies, place);
      // A place of its own for each run.
      return dependencies.programs.environment({ ...place })();
    },
    digest,
  };
}

/** By hand, a paused job still runs. */
const needsPlace = (workload: Workload): boolean =>
  workload.spec.kind === "job" ? workload.spec.state !== "stopped" : !isResting(workload);

/** Two servers with a repository of the same name would take an environment from each other, apply by apply. */
async function refuseOthers(
  { cluster, server }: Pick<KubernetesTargetDependencies, "cluster" | "server">,
  { namespace }: EnvironmentPlace,
): Promise<void> {
  const found = await cluster
    .get({ apiVersion: "v1", kind: "Namespace", name: namespace }, AbortSignal.timeout(askMs))
    // Who may not read it is told so by what is applied to it.
    .catch((error: unknown) => (isStatus(error, 403) ? null : Promise.reject(error as Error)));
  const own = found?.metadata.labels;
  if (!isOfAnother(own, server)) return;
  throw new WaybillError(
    "NAMESPACE_TAKEN",
    `namespace ${namespace} is another Waybill server's: its label ${labels.server} is ${own?.[labels.server]}, this ` +
      `server is ${server}. Give the repository another name; or, where that server is gone, take the label away from ` +
      "all that is in the namespace, and from the namespace",
  );
}

const askMs = 30_000;

function chooseProgram(
  dependencies: KubernetesTargetDependencies,
  workload: Workload,
  running: number | null,
): Program {
  const { spec } = workload;
  const { settings, programs } = dependencies;
  const [refused] = refusals(workload, settings);
  if (refused !== undefined && needsPlace(workload)) {
    throw new WaybillError("TARGET_UNSUPPORTED", `${spec.name}: ${refused}`);
  }
  switch (spec.kind) {
    case "service":
      return placed(dependencies, { ...workload, spec }, running, programs.service);
    case "worker":
      return placed(dependencies, { ...workload, spec }, running, programs.worker);
    case "site":
      return siteProgram({ ...workload, spec });
    case "job":
      return placed(dependencies, { ...workload, spec }, running, programs.job);
    default:
      return spec satisfies never;
  }
}

/** Of an engine that is a process of its own the state is too slow to be read: what would change is not known then. */
function previewOf(dependencies: KubernetesTargetDependencies, workload: Workload, running: number | null) {
  const { settings } = dependencies;
  const { kind } = workload.spec;
  if (kind === "job" || kind === "site") return null;
  if (!isResting(workload) && refusals(workload, settings).length > 0) return null;
  const objects = settings.engine === "pulumi-cli" ? () => [] : objectChangesOf;
  return { program: chooseProgram(dependencies, workload, running), objects };
}

function guarded(dependencies: KubernetesTargetDependencies, workload: Workload, running: number | null): Guard | null {
  const check = guardOf(dependencies, workload);
  if (check === null) return null;
  const { programs } = dependencies;
  return {
    check,
    // The gateway refuses nobody's request before it looks where that would lead. A controller knows no such address.
    asksWithdrawn: dependencies.settings.ingress === undefined,
    withdrawn(reason) {
      const { spec } = workload;
      if (spec.kind === "site") return siteProgram({ ...workload, spec }, reason);
      const apart: Programs = {
        ...programs,
        service: (each, place) => programs.service(each, { ...place, withdrawn: reason }),
      };
      return chooseProgram({ ...dependencies, programs: apart }, workload, running);
    },
  };
}

function placed<Kind extends Programmed>(
  dependencies: KubernetesTargetDependencies,
  workload: Kind,
  running: number | null,
  program: (workload: Kind, place: Place) => Program,
): Program {
  const { spec } = workload;
  const place = async (): Promise<Place> =>
    spec.kind === "job" ? jobPlace(dependencies, { ...workload, spec }) : placeOf(dependencies, workload, running);
  return async () => program(workload, await place())();
}

async function jobPlace(dependencies: KubernetesTargetDependencies, workload: WorkloadOf<"job">): Promise<Place> {
  const { cluster } = dependencies;
  const suspended = workload.cronJobs ? await readSuspended(cluster, workload.stack) : new Map<string, boolean>();
  // Whether a new one may fire is known once all of this is applied.
  return jobPlaceOf(dependencies, workload, (name) => suspended.get(name) ?? true);
}
