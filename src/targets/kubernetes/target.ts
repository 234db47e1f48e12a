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
import type { Foundation, Target } from "../target.ts";
import type { SecretReader, Workload } from "../workload.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { namespaceOf, revisionOf } from "./names.ts";
import { notices, refusals } from "./notices.ts";
import { readLogs } from "./observe/logs.ts";
import { makeClusterStatus, type ClusterStatus } from "./observe/status.ts";
import type { EnvironmentPlace, Place, SourcePlace } from "./place.ts";
import { imageOf } from "./runtimes.ts";
import { podResources } from "./sizes.ts";
import { fetchCommand } from "./sources/scripts.ts";
import type { SourceUrls } from "./sources/signature.ts";

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
  close(): Promise<void>;
}

export function makeKubernetesTarget(dependencies: KubernetesTargetDependencies): KubernetesTarget {
  const { settings, cluster, clock, log } = dependencies;
  const status = makeClusterStatus({ cluster, clock, log });
  return {
    ready: status.ready,
    foundation: (workload) => foundationOf(dependencies, workload),
    program: (workload) => chooseProgram(dependencies, workload, status.replicas(workload.stack)),
    explain: (workload, error) => explain(status, workload, error),
    notices: (workload) => notices(workload, settings),
    status: (stack) => status.status(stack),
    onStatus: (listener) => status.onStatus(listener),
    logs: (stack, request) => readLogs({ cluster, status, log }, stack, request),
    close: () => status.close(),
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
  const { spec, stack, restart } = workload;
  const found = imageOf(spec, settings.runtimes);
  const { image, runtime } = typeof found === "string" ? { image: "", runtime: null } : found;
  const resources = podResources(spec.size, settings.gpus);
  const source = runtime === null ? null : sourcePlace(dependencies, workload, fetchCommand[runtime]);
  return {
    ...reachOf(name, settings),
    namespace: namespaceOf(stack),
    revision: revisionOf({ pod: podContent(workload), image, resources, source: source?.key ?? null, restart }),
    image,
    resources,
    source,
    secrets: isResting(workload) ? new Map() : await revealed(dependencies.secrets, workload),
    replicas: initialReplicas(spec.replicas, running),
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

/** How long an address is good. It is renewed long before; a server that is away for longer serves no sources anyway. */
const addressLifeMs = 7 * 24 * 60 * 60 * 1_000;

function sourcePlace(
  { settings, urls, host, clock }: KubernetesTargetDependencies,
  { stack, source }: Running,
  fetch: readonly string[],
): SourcePlace {
  const key = source ?? "";
  const expiresAt = new Date(clock.now().getTime() + addressLifeMs);
  const address = urls.sign({ method: "GET", repository: stack.repository, key }, expiresAt);
  const url = new Secret(`${(settings.sourceUrl ?? "").replace(/\/+$/, "")}${address}`);
  return { key, fetch, url, host, build: null };
}
