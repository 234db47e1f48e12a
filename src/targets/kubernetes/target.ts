import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Secret } from "../../core/secret.ts";
import type { Program } from "../../engine/engine.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { program as environmentProgram } from "../../../templates/kubernetes/environment.ts";
import { program as serviceProgram } from "../../../templates/kubernetes/service.ts";
import { program as workerProgram } from "../../../templates/kubernetes/worker.ts";
import { program as siteProgram } from "../../../templates/local/site.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";
import { foundationStack } from "../foundations.ts";
import type { Rollouts } from "../rollout.ts";
import type { Foundation, Target } from "../target.ts";
import type { SecretReader, Workload } from "../workload.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { namespaceOf, revisionOf } from "./names.ts";
import { notices, refusals } from "./notices.ts";
import { readLogs } from "./observe/logs.ts";
import { makeClusterStatus, type ClusterStatus } from "./observe/status.ts";
import type { EnvironmentPlace, Place, SourcePlace } from "./place.ts";
import { makeClusterRollouts } from "./rollout/rollouts.ts";
import type { Outline } from "./rollout/outline.ts";
import { imageOf, type Runtime } from "./runtimes.ts";
import { podResources } from "./sizes.ts";
import { fetchCommand } from "./sources/scripts.ts";
import { addressLifeMs, type SourceUrls } from "./sources/signature.ts";
import { sourceOf, type WorkloadSource } from "./sources/source-of.ts";

export interface KubernetesTargetDependencies {
  /** Its name in the server's settings. */
  readonly name: string;
  readonly settings: KubernetesTargetSettings;
  readonly cluster: Cluster;
  readonly secrets: SecretReader;
  readonly urls: Pick<SourceUrls, "sign">;
  /** The Host header by which the entrance knows the server. */
  readonly host: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Programs as pods of a cluster. */
export interface KubernetesTarget extends Target {
  /** Resolves once the cluster has told how everything is. */
  readonly ready: Promise<unknown>;
  /** Room for new revisions, by what the cluster has. */
  readonly rollouts: Rollouts;
  close(): Promise<void>;
}

export function makeKubernetesTarget(dependencies: KubernetesTargetDependencies): KubernetesTarget {
  const { settings, cluster, clock, log } = dependencies;
  const status = makeClusterStatus({ cluster, clock, log });
  const rollouts = makeClusterRollouts({
    cluster,
    outlineOf: (workload) => outlineOf(settings, workload, status.replicas(workload.stack)),
    clock,
    log,
  });
  return {
    ready: Promise.all([status.ready, rollouts.ready]),
    rollouts,
    foundation: (workload) => foundationOf(dependencies, workload),
    program: (workload) => chooseProgram(dependencies, workload, status.replicas(workload.stack)),
    explain: (workload, error) => explain(status, workload, error),
    notices: (workload) => notices(workload, settings),
    status: (stack) => status.status(stack),
    onStatus: (listener) => status.onStatus(listener),
    logs: (stack, request) => readLogs({ cluster, status, log }, stack, request),
    async close() {
      await Promise.all([status.close(), rollouts.close()]);
    },
  };
}

/** What the workload's pods will be, by which room for them is found; null where none are to run. */
function outlineOf(settings: KubernetesTargetSettings, workload: Workload, running: number | null): Outline | null {
  const { spec, stack } = workload;
  if (isResting(workload) || spec.kind === "job" || spec.kind === "site") return null;
  // What is refused anyway needs no room.
  if (refusals(workload, settings).length > 0) return null;
  const { revision, resources } = contentOf(settings, { ...workload, spec });
  return {
    stack,
    namespace: namespaceOf(stack),
    revision,
    resources,
    replicas: initialReplicas(spec.replicas, running),
    gpu: spec.size.gpu ?? null,
    rollout: spec.rollout,
  };
}

/** Its pods say more than whoever waited for them. */
function explain(status: Pick<ClusterStatus, "trouble">, { stack }: Workload, error: unknown): WaybillError | null {
  const trouble = status.trouble(stack);
  if (trouble === null || (error instanceof WaybillError && error.code === "APPLY_CANCELLED")) return null;
  return new WaybillError(trouble.isFinal ? "WORKLOAD_FAILED" : "STEP_FAILED", trouble.reason, { cause: error });
}

/** Files that the gateway serves, and what does not run, need no namespace. */
function foundationOf({ name, settings }: KubernetesTargetDependencies, workload: Workload): Foundation | null {
  const { spec, stack } = workload;
  if (isResting(workload) || spec.kind === "job" || spec.kind === "site") return null;
  const { repository, environment } = stack;
  const place: EnvironmentPlace = {
    ...reachOf(name, settings),
    repository,
    environment,
    namespace: namespaceOf(stack),
    quota: {},
    gateway: gatewayOf(settings),
    pullSecret: null,
  };
  return {
    stack: foundationStack(stack, name),
    program: environmentProgram(place),
    digest: createHash("sha256").update(JSON.stringify(place)).digest("hex"),
  };
}

const reachOf = (target: string, { kubeconfig, context }: KubernetesTargetSettings) => ({
  target,
  ...(kubeconfig !== undefined && { kubeconfig }),
  ...(context !== undefined && { context }),
});

/** Where it is not said, whoever reaches the server at an address is let in from there. */
function gatewayOf({ sourceUrl }: KubernetesTargetSettings): EnvironmentPlace["gateway"] {
  const hostname = sourceUrl === undefined ? "" : new URL(sourceUrl).hostname;
  return { cidrs: [/^\d+(?:\.\d+){3}$/.test(hostname) ? `${hostname}/32` : "0.0.0.0/0"] };
}

const isResting = ({ spec, pause }: Workload): boolean => spec.state !== "running" || pause !== null;

function chooseProgram(
  dependencies: KubernetesTargetDependencies,
  workload: Workload,
  running: number | null,
): Program {
  const { spec } = workload;
  const [refused] = refusals(workload, dependencies.settings);
  if (refused !== undefined && !isResting(workload)) {
    throw new WaybillError("TARGET_UNSUPPORTED", `${spec.name}: ${refused}`);
  }
  switch (spec.kind) {
    case "service":
      return placed(dependencies, { ...workload, spec }, running, serviceProgram);
    case "worker":
      return placed(dependencies, { ...workload, spec }, running, workerProgram);
    case "site":
      return siteProgram({ ...workload, spec });
    case "job":
      return () => Promise.resolve({});
    default:
      return spec satisfies never;
  }
}

type Running = WorkloadOf<"service" | "worker">;

/** Secrets are read at the last moment, and only for what runs. */
function placed<Kind extends Running>(
  dependencies: KubernetesTargetDependencies,
  workload: Kind,
  running: number | null,
  program: (workload: Kind, place: Place) => Program,
): Program {
  return async () => program(workload, await placeOf(dependencies, workload, running))();
}

async function placeOf(
  dependencies: KubernetesTargetDependencies,
  workload: Running,
  running: number | null,
): Promise<Place> {
  const { name, settings } = dependencies;
  const { spec, stack } = workload;
  const { fetched, ...content } = contentOf(settings, workload);
  return {
    ...reachOf(name, settings),
    ...content,
    namespace: namespaceOf(stack),
    source: fetched && sourcePlace(dependencies, stack.repository, fetched),
    secrets: isResting(workload) ? new Map() : await revealed(dependencies.secrets, workload),
    replicas: initialReplicas(spec.replicas, running),
  };
}

/** What the pods are made from, and the revision that they are by it. */
function contentOf(settings: KubernetesTargetSettings, workload: Running) {
  const { spec, restart } = workload;
  const found = imageOf(spec, settings.runtimes);
  const { image, runtime } = typeof found === "string" ? { image: "", runtime: null } : found;
  const resources = podResources(spec.size, settings.gpus);
  const fetched =
    runtime === null
      ? null
      : { ...sourceOf(workload, { target: workload.target, image, runtime, resources }), runtime };
  const source = fetched?.key ?? null;
  return {
    image,
    fetched,
    resources,
    revision: revisionOf({ pod: podContent(workload), image, resources, source, restart }),
  };
}

/** What makes other pods. Who may ask, by which name, and how many there are leave them as they are. */
function podContent({ spec, secrets }: Running): unknown {
  const { kind, source, startScript, command, workingDir, env, files, stopTimeoutSeconds } = spec;
  const ports = spec.kind === "service" ? spec.routes.map(({ port, protocol }) => ({ port, protocol })) : [];
  const serving = spec.kind === "service" ? { port: spec.port, health: spec.health, ports } : null;
  return { kind, source, startScript, command, workingDir, env, files, stopTimeoutSeconds, secrets, serving };
}

/** A new revision starts with as many as the old one has come to, so that it bears what the old one bears. */
function initialReplicas({ min, max, targetCpu }: Running["spec"]["replicas"], running: number | null): number {
  const least = Math.max(1, min);
  return targetCpu === null || max <= 1 ? least : Math.min(Math.max(least, running ?? 0), max);
}

async function revealed(secrets: SecretReader, { stack, secrets: uses }: Running): Promise<Map<string, Secret>> {
  const values = await Promise.all(
    uses.map(async ({ name, version }) => [name, await secrets.reveal(stack, name, version)] as const),
  );
  return new Map(values);
}

function sourcePlace(
  { settings, urls, host, clock }: KubernetesTargetDependencies,
  repository: string,
  { key, made, runtime }: WorkloadSource & { readonly runtime: Runtime },
): SourcePlace {
  const expiresAt = new Date(clock.now().getTime() + addressLifeMs);
  const url = new Secret(sourceBase(settings) + urls.sign({ method: "GET", repository, key }, expiresAt));
  return { key, made, fetch: fetchCommand[runtime], url, host };
}

/** Where the cluster reaches the server, without a slash at its end. */
export const sourceBase = ({ sourceUrl = "" }: Pick<KubernetesTargetSettings, "sourceUrl">): string =>
  sourceUrl.replace(/\/+$/, "");
