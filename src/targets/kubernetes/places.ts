import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { StackName } from "../../core/stack.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import type { ResolvedJob, ResolvedSchedule } from "../../spec/resolved.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";
import type { RunOrder } from "../run-executor.ts";
import type { SecretReader, Workload } from "../workload.ts";
import { componentsOf, hasComponents } from "./components.ts";
import { namespaceOf, revisionOf } from "./names.ts";
import { refusals } from "./notices.ts";
import type { EnvironmentPlace, Place, SourcePlace } from "./place.ts";
import type { Outline } from "./rollout/outline.ts";
import { imageOf, type Runtime } from "./runtimes.ts";
import { cronJobsOf } from "./schedules/cron-job.ts";
import { podResources } from "./sizes.ts";
import { fetchCommand } from "./sources/scripts.ts";
import { addressLifeMs, type SourceUrls } from "./sources/signature.ts";
import { sourceOf, type WorkloadSource } from "./sources/source-of.ts";

export interface PlaceDependencies {
  /** The target's name in the server's settings. */
  readonly name: string;
  readonly settings: KubernetesTargetSettings;
  /** What this server is called in the cluster. */
  readonly server: string;
  readonly secrets: SecretReader;
  readonly urls: Pick<SourceUrls, "sign">;
  /** The Host header by which the entrance knows the server. */
  readonly host: string;
  /** Of the deployments' addresses, which are below `host`. */
  readonly scheme: "http" | "https";
  readonly clock: Clock;
  /** What runs of a job's schedule run; absent where no cluster fires any. */
  readonly scheduled?: ScheduledProgram;
}

/** Its command and variables, as every run of one schedule has them. */
export type ScheduledProgram = (spec: ResolvedJob, schedule: ResolvedSchedule) => Pick<RunOrder, "command" | "env">;

export type Running = WorkloadOf<"service" | "worker">;
/** What runs in a pod. */
export type Programmed = WorkloadOf<"service" | "worker" | "job">;

export const isResting = ({ spec, pause }: Workload): boolean => spec.state !== "running" || pause !== null;

type Reach = Pick<PlaceDependencies, "name" | "settings" | "server">;

const reachOf = ({ name, server, settings: { kubeconfig, context } }: Reach) => ({
  target: name,
  server,
  ...(kubeconfig !== undefined && { kubeconfig }),
  ...(context !== undefined && { context }),
});

/** What an environment's deployments stand on; equal digests, equal objects. */
export function environmentPlaceOf(dependencies: PlaceDependencies, { repository, environment }: StackName) {
  const { settings } = dependencies;
  const pullSecret = settings.pullSecret === undefined ? null : readSecret(settings.pullSecret);
  const place: EnvironmentPlace = {
    ...reachOf(dependencies),
    repository,
    environment,
    namespace: namespaceOf({ repository, environment }),
    quota: settings.quota ?? {},
    gateway: gatewayOf(settings),
    ...(settings.ingress && { entrance: { from: settings.ingress.from, serverUrl: settings.ingress.serverUrl } }),
    pullSecret,
  };
  const content = JSON.stringify([place, pullSecret?.reveal() ?? null]);
  return { place, digest: createHash("sha256").update(content).digest("hex") };
}

function readSecret(path: string): Secret {
  try {
    return new Secret(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `pullSecret ${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** Where it is not said, whoever reaches the server at an address is let in from there. */
function gatewayOf({ gateway, sourceUrl }: KubernetesTargetSettings): EnvironmentPlace["gateway"] {
  if (gateway?.namespace !== undefined) return { namespace: gateway.namespace };
  if (gateway?.cidrs !== undefined) return { cidrs: gateway.cidrs };
  const hostname = sourceUrl === undefined ? "" : new URL(sourceUrl).hostname;
  return { cidrs: [/^\d+(?:\.\d+){3}$/.test(hostname) ? `${hostname}/32` : "0.0.0.0/0"] };
}

/** What the workload's pods will be, by which room for them is found; null where none are to run. */
export function outlineOf(
  settings: KubernetesTargetSettings,
  workload: Workload,
  running: number | null,
): Outline | null {
  const { spec, stack } = workload;
  if (isResting(workload) || spec.kind === "job" || spec.kind === "site") return null;
  // What is refused anyway needs no room.
  if (refusals(workload, settings).length > 0) return null;
  const parts = hasComponents(spec) ? componentsOf({ ...workload, spec }) : new Map([[null, { ...workload, spec }]]);
  const contents = [...parts].map(([component, part]) => ({
    component,
    spec: part.spec,
    ...contentOf(settings, part),
  }));
  return {
    stack,
    namespace: namespaceOf(stack),
    revision: wholeRevision(contents),
    parts: contents.map(({ component, spec: own, resources }) => ({
      component,
      resources,
      replicas: initialReplicas(own.replicas, component === null ? running : null),
      gpu: own.size.gpu ?? null,
    })),
    rollout: spec.rollout,
    startSeconds: Math.max(...contents.map(({ spec: own }) => (own.kind === "service" ? startSecondsOf(own) : 0))),
  };
}

const startSecondsOf = ({ health }: { readonly health: { readonly startTimeoutSeconds: number } }): number =>
  health.startTimeoutSeconds;

/** Of components it is that of all; of a single part its own. */
function wholeRevision(contents: readonly { readonly component: string | null; readonly revision: string }[]): string {
  const [first] = contents;
  if (first?.component === null) return first.revision;
  return revisionOf(contents.map(({ component, revision }) => [component, revision] as const));
}

/** One place for all: that of its main component, with its own revision, and those of the components in it. */
async function wholePlace(
  dependencies: PlaceDependencies,
  workload: WorkloadOf<"service">,
  running: number | null,
): Promise<Place> {
  const parts = [...componentsOf(workload)];
  const revision = wholeRevision(
    parts.map(([component, part]) => ({ component, ...contentOf(dependencies.settings, part) })),
  );
  const places = await Promise.all(
    parts.map(async ([component, part]) => {
      const place = await placeOf(dependencies, part, null);
      return [component, { ...place, revision, component }] as const;
    }),
  );
  const components: Readonly<Record<string, Place>> = Object.fromEntries(places);
  const main = components[workload.spec.main ?? ""] ?? places[0]?.[1];
  if (!main) throw new TypeError(`${workload.spec.name} has no component`);
  const { component: _, ...own } = main;
  return { ...own, replicas: initialReplicas(workload.spec.replicas, running), components };
}

/** Secrets are read at the last moment, and only for what runs. */
export async function placeOf(
  dependencies: PlaceDependencies,
  workload: Programmed,
  running: number | null,
): Promise<Place> {
  const { settings, scheme, host } = dependencies;
  const { spec } = workload;
  if (hasComponents(spec)) return wholePlace(dependencies, { ...workload, spec }, running);
  return {
    ...barePlaceOf(dependencies, workload),
    secrets: isResting(workload) ? new Map() : await revealed(dependencies.secrets, workload),
    replicas: spec.kind === "job" ? 0 : initialReplicas(spec.replicas, running),
    ...(settings.ingress && { entrance: { settings: settings.ingress, scheme, domain: host } }),
  };
}

/** A job's values are read for each of its runs, but for those that the cluster starts. */
export async function jobPlaceOf(
  dependencies: PlaceDependencies,
  workload: WorkloadOf<"job">,
  isSuspended: (name: string) => boolean,
): Promise<Place> {
  const bare = barePlaceOf(dependencies, workload);
  const { made } = cronJobsOf(workload);
  const { scheduled, secrets } = dependencies;
  if (made.length === 0 || !scheduled) return bare;
  const cronJobs = made.map((each) => ({
    ...each,
    ...scheduled(workload.spec, each.schedule),
    isSuspended: isSuspended(each.name),
  }));
  return { ...bare, secrets: await revealed(secrets, workload), cronJobs };
}

/** Without values of secrets, and nothing that runs. */
export function barePlaceOf(dependencies: PlaceDependencies, workload: Programmed): Place {
  const { settings } = dependencies;
  const { stack } = workload;
  const { fetched, ...content } = contentOf(settings, workload);
  return {
    ...reachOf(dependencies),
    ...content,
    namespace: namespaceOf(stack),
    source: fetched && sourcePlace(dependencies, stack.repository, fetched),
    secrets: new Map(),
    replicas: 0,
  };
}

/** What the pods are made from, and the revision that they are by it. */
function contentOf(settings: KubernetesTargetSettings, workload: Programmed) {
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
function podContent({ spec, secrets }: Programmed): unknown {
  const { kind, source, startScript, command, workingDir, env, files, stopTimeoutSeconds } = spec;
  const ports = spec.kind === "service" ? spec.routes.map(({ port, protocol }) => ({ port, protocol })) : [];
  const serving = spec.kind === "service" ? { port: spec.port, health: spec.health, ports } : null;
  const others = spec.secrets.filter(({ key }) => key !== undefined);
  const own = { kind, source, startScript, command, workingDir, env, files, stopTimeoutSeconds, secrets, serving };
  return others.length > 0 ? { ...own, others } : own;
}

/** A new revision starts with as many as the old one has come to, so that it bears what the old one bears. */
function initialReplicas({ min, max, targetCpu }: Running["spec"]["replicas"], running: number | null): number {
  const least = Math.max(1, min);
  return targetCpu === null || max <= 1 ? least : Math.min(Math.max(least, running ?? 0), max);
}

export async function revealed(
  secrets: SecretReader,
  { stack, secrets: uses }: Workload,
): Promise<Map<string, Secret>> {
  const values = await Promise.all(
    uses.map(async ({ name, version }) => [name, await secrets.reveal(stack, name, version)] as const),
  );
  return new Map(values);
}

function sourcePlace(
  { settings, urls, host, clock }: PlaceDependencies,
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
