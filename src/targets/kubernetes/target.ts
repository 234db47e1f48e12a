import { WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Program } from "../../engine/engine.ts";
import { program as siteProgram } from "../../../templates/local/site.ts";
import { foundationStack } from "../foundations.ts";
import type { Sleeper } from "../sleep/keeper.ts";
import type { Foundation, Target } from "../target.ts";
import type { Workload } from "../workload.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { notices, refusals } from "./notices.ts";
import { readLogs } from "./observe/logs.ts";
import { makeClusterStatus, type ClusterStatus } from "./observe/status.ts";
import type { Place } from "./place.ts";
import { environmentPlaceOf, isResting, outlineOf, placeOf, type PlaceDependencies, type Running } from "./places.ts";
import type { Programs } from "./programs.ts";
import { makeClusterRollouts } from "./rollout/rollouts.ts";
import { makeClusterSleeper } from "./sleeper.ts";

export interface KubernetesTargetDependencies extends PlaceDependencies {
  readonly cluster: Cluster;
  readonly programs: Programs;
  readonly log: Log;
}

/** Programs as pods of a cluster. */
export interface KubernetesTarget extends Target {
  readonly sleeper: Sleeper;
  close(): Promise<void>;
}

export function makeKubernetesTarget(dependencies: KubernetesTargetDependencies): KubernetesTarget {
  const { settings, cluster, clock, log } = dependencies;
  const status = makeClusterStatus({ cluster, clock, log });
  const rollouts = settings.autoscaled
    ? null
    : makeClusterRollouts({
        cluster,
        outlineOf: (workload) => outlineOf(settings, workload, status.replicas(workload.stack)),
        clock,
        log,
      });
  return {
    ...(rollouts && { rollouts }),
    sleeper: makeClusterSleeper({ cluster, status, clock }),
    foundation: (workload) => foundationOf(dependencies, workload),
    program: (workload) => chooseProgram(dependencies, workload, status.replicas(workload.stack)),
    explain: (workload, error) => explain(status, workload, error),
    notices: (workload) => notices(workload, settings),
    status: (stack) => status.status(stack),
    onStatus: (listener) => status.onStatus(listener),
    logs: (stack, request) => readLogs({ cluster, status, log }, stack, request),
    async close() {
      await Promise.all([status.close(), rollouts?.close()]);
    },
  };
}

/** Its pods say more than whoever waited for them. */
function explain(status: Pick<ClusterStatus, "trouble">, { stack }: Workload, error: unknown): WaybillError | null {
  const code = error instanceof WaybillError ? error.code : null;
  // Of anything else than pods that were waited for, the error says most itself.
  const trouble = code === "STEP_FAILED" || code === "WORKLOAD_FAILED" ? status.trouble(stack) : null;
  if (trouble === null || code === null) return null;
  return new WaybillError(trouble.isFinal ? "WORKLOAD_FAILED" : code, trouble.reason, { cause: error });
}

/** Files that the gateway serves, and what does not run, need no namespace. */
function foundationOf(dependencies: KubernetesTargetDependencies, workload: Workload): Foundation | null {
  const { spec, stack } = workload;
  if (isResting(workload) || spec.kind === "job" || spec.kind === "site") return null;
  const { place, digest } = environmentPlaceOf(dependencies, stack);
  return {
    stack: foundationStack(stack, dependencies.name),
    // A place of its own for each run.
    program: () => dependencies.programs.environment({ ...place })(),
    digest,
  };
}

function chooseProgram(
  dependencies: KubernetesTargetDependencies,
  workload: Workload,
  running: number | null,
): Program {
  const { spec } = workload;
  const { settings, programs } = dependencies;
  const [refused] = refusals(workload, settings);
  if (refused !== undefined && !isResting(workload)) {
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
      return () => Promise.resolve({});
    default:
      return spec satisfies never;
  }
}

function placed<Kind extends Running>(
  dependencies: KubernetesTargetDependencies,
  workload: Kind,
  running: number | null,
  program: (workload: Kind, place: Place) => Program,
): Program {
  return async () => program(workload, await placeOf(dependencies, workload, running))();
}
