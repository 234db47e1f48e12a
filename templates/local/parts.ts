import { posix } from "node:path";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { pauseWords, type Workload } from "../../src/targets/workload.ts";
import { Process, Route, Source, type ProcessArgs, type RouteArgs, type SourceArgs } from "./resources.ts";

type Spec = Workload["spec"];
export type WorkloadOf<Kind extends Spec["kind"]> = Workload & {
  readonly spec: Extract<Spec, { readonly kind: Kind }>;
};

export type Outputs = Record<string, unknown>;

/** Why nothing runs, in words for whoever opens the URL; null while it should run. */
export function restingReason({ spec, pause }: Workload): string | null {
  if (pause) return `${spec.name} was ${pauseWords(pause)}`;
  if (spec.state === "running") return null;
  return `${spec.name} is ${spec.state} by its file`;
}

/** The main port first. */
export const portsOf = ({ port, routes }: WorkloadOf<"service">["spec"]): readonly number[] => [
  ...new Set([port, ...routes.map((route) => route.port)]),
];

interface HostRoute {
  readonly subdomain: string;
  readonly access: RouteArgs["access"];
}

/** The deployment's own host name first, then its further ones. Each is named after its host, so that it never moves. */
export function makeRoutes<Kind extends HostRoute>(
  workload: Workload,
  routes: readonly Kind[],
  upstream: (route: Kind) => RouteArgs["upstream"],
  options: CustomResourceOptions = {},
): readonly Route[] {
  const { stack } = workload;
  const idle = idleOf(workload);
  return hostsOf(workload, routes).map(({ host, route }) => {
    const args = { stack: { ...stack }, host, upstream: upstream(route), access: route.access, ...idle };
    return new Route(host, args, options);
  });
}

/** Each route with the first label of its host name. */
export const hostsOf = <Kind extends Pick<HostRoute, "subdomain">>(
  { stack, host: own }: Workload,
  routes: readonly Kind[],
): readonly { readonly host: string; readonly route: Kind }[] =>
  routes.map((route, index) => ({ host: index === 0 ? own : hostOf(stack.environment, route.subdomain), route }));

/** What may sleep while nobody asks for it: what brings an idle time, and runs. */
export function idleOf({ spec, pause }: Workload): Pick<RouteArgs, "idle"> {
  if (spec.kind !== "service" || spec.main !== null || spec.state !== "running" || pause !== null) return {};
  const { idleAfterSeconds } = spec.replicas;
  if (idleAfterSeconds === null) return {};
  return { idle: { afterSeconds: idleAfterSeconds, startTimeoutSeconds: spec.health.startTimeoutSeconds } };
}

/** The environment stands before the label, but for production. */
const hostOf = (environment: string, subdomain: string): string =>
  environment === "production" ? subdomain : `${environment}--${subdomain}`;

export const makeSource = (workload: WorkloadOf<"service" | "worker" | "site" | "job">): Source =>
  new Source(workload.spec.name, sourceArgs(workload));

/** `workingDir` and files are part of a source only where something is built or written in it. */
export function sourceArgs(workload: WorkloadOf<"service" | "worker" | "site" | "job">): SourceArgs {
  const { spec, stack } = workload;
  const files = spec.kind === "site" ? {} : spec.files;
  const isAsInGit = spec.build === null && Object.keys(files).length === 0;
  return {
    stack: { ...stack },
    tree: workload.source ?? "",
    workingDir: isAsInGit ? "." : spec.workingDir,
    build: spec.build,
    env: spec.build === null ? {} : spec.env,
    files,
    published: spec.kind === "site" ? publishedFolder(spec) : null,
  };
}

/** Relative to the tree. */
export const publishedFolder = ({ workingDir, folder }: { workingDir: string; folder: string }): string =>
  posix.join(workingDir, folder);

export type ServingArgs = Pick<ProcessArgs, "kind" | "ports" | "health" | "startTimeoutSeconds">;

export const makeProcess = (
  workload: WorkloadOf<"service" | "worker">,
  source: Source,
  serving: ServingArgs,
): Process => new Process(workload.spec.name, { ...processArgs(workload, serving), source: source.key });

export function processArgs(
  { spec, stack, secrets, restart }: WorkloadOf<"service" | "worker">,
  serving: ServingArgs,
): Omit<ProcessArgs, "source"> {
  return {
    ...serving,
    stack: { ...stack },
    workingDir: spec.workingDir,
    startScript: spec.startScript,
    command: spec.command ?? "",
    env: spec.env,
    secrets,
    stopTimeoutSeconds: spec.stopTimeoutSeconds,
    restart,
  };
}
