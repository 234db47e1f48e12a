import { environmentName } from "../core/names.ts";
import type { SpecContext } from "./context.ts";
import type {
  DeploymentSpec,
  FollowSpec,
  JobFields,
  JobSpec,
  ServiceSpec,
  SiteSpec,
  WorkerSpec,
} from "./deployment.ts";
import { overlay } from "./overlay.ts";
import { deploymentAccess, mergeAccess, resolveComponents, resolveReplicas, resolveServer } from "./resolve/server.ts";
import { duration, resolveSource, resolveWorkload, sortedEntries, textMap } from "./resolve/workload.ts";
import type {
  ResolvedDeployment,
  ResolvedFollow,
  ResolvedJob,
  ResolvedRoute,
  ResolvedService,
  ResolvedSite,
  ResolvedWorker,
} from "./resolved.ts";
import { parseIsoDuration } from "./rules/quantities.ts";

/**
 * A checked deployment as it is in one environment: overlay merged, defaults filled in, quantities as numbers.
 * Throws a TypeError for a spec that `checkRepository` would have refused with this context, such as a size unknown to it.
 */
export function resolve(spec: DeploymentSpec, environment: string, context: SpecContext): ResolvedDeployment {
  const over = spec.environments !== undefined && Object.hasOwn(spec.environments, environment);
  const merged = over ? overlay(spec, spec.environments?.[environment] ?? {}) : spec;
  switch (merged.kind) {
    case "service":
      return resolveService(merged, environment, context);
    case "worker":
      return resolveWorker(merged, environment, context);
    case "job":
      return resolveJob(merged, environment, context);
    case "site":
      return resolveSite(merged, environment);
    default:
      return merged satisfies never;
  }
}

function resolveCommon(spec: DeploymentSpec, environment: string) {
  return {
    name: spec.name,
    environment: environmentName(environment),
    description: spec.description ?? "",
    tags: textMap(spec.tags),
    state: spec.state ?? "running",
  } as const;
}

function resolveService(spec: ServiceSpec, environment: string, context: SpecContext): ResolvedService {
  const components = resolveComponents(spec, context);
  const main = mainComponent(spec);
  const server = resolveServer(spec);
  const access = deploymentAccess(spec.access);
  const portOf = (component: string | null): number => {
    const part = component === null ? undefined : components[component];
    return part?.kind === "service" ? part.port : server.port;
  };
  const own: ResolvedRoute = {
    subdomain: spec.subdomain ?? spec.name,
    port: portOf(main),
    protocol: "http",
    component: main,
    access,
  };
  const further = (spec.routes ?? []).map((route): ResolvedRoute => {
    const component = route.component ?? main;
    return {
      subdomain: route.subdomain,
      port: route.port ?? portOf(component),
      protocol: route.protocol ?? "http",
      component,
      access: mergeAccess(access, route.access),
    };
  });
  return {
    ...resolveCommon(spec, environment),
    kind: "service",
    ...resolveWorkload(spec, context),
    ...server,
    rollout: spec.rollout ?? null,
    ...(spec.deploy && { deploy: spec.deploy }),
    access,
    routes: [own, ...further],
    components,
    main,
  };
}

/** The component that answers at the deployment's name: `main`, else `web`, else the only one. */
export function mainComponent(spec: Pick<ServiceSpec, "components" | "main">): string | null {
  if (spec.components === undefined) return null;
  const names = Object.keys(spec.components);
  if (spec.main !== undefined) return spec.main;
  return names.includes("web") ? "web" : (names[0] ?? null);
}

function resolveWorker(spec: WorkerSpec, environment: string, context: SpecContext): ResolvedWorker {
  return {
    ...resolveCommon(spec, environment),
    kind: "worker",
    ...resolveWorkload(spec, context),
    replicas: resolveReplicas(spec.replicas),
    rollout: spec.rollout ?? null,
    ...(spec.deploy && { deploy: spec.deploy }),
  };
}

function resolveJob(spec: JobSpec, environment: string, context: SpecContext): ResolvedJob {
  const values = spec.parameters?.values ?? {};
  return {
    ...resolveCommon(spec, environment),
    kind: "job",
    ...resolveWorkload(spec, context),
    parameters: { schema: spec.parameters?.schema ?? {}, values },
    schedules: (spec.schedules ?? []).map((schedule) => ({
      name: schedule.name,
      description: schedule.description ?? "",
      when: resolveWhen(schedule),
      anchor: schedule.anchor ?? null,
      timezone: schedule.timezone ?? "UTC",
      parameters: { ...values, ...schedule.parameters },
      startAt: schedule.startAt ?? null,
      endAt: schedule.endAt ?? null,
      jitterSeconds: duration(schedule.jitter, 0),
      catchUp: {
        policy: schedule.catchUp ?? "latest",
        limit: schedule.catchUpLimit ?? 100,
        maxAgeSeconds: duration(schedule.catchUpMaxAge, weekSeconds),
      },
      isActive: schedule.active ?? true,
    })),
    ...(spec.after && { after: [spec.after].flat().map((entry) => resolveFollow(entry, values)) }),
    ...(spec.events && { events: spec.events.map(({ name, parameters = {} }) => ({ name, parameters })) }),
    concurrency: resolveConcurrency(spec.concurrency),
    retries: {
      limit: spec.retries?.limit ?? 0,
      delaysSeconds: [spec.retries?.delay ?? "0s"].flat().map((delay) => duration(delay, 0)),
      backoff: spec.retries?.backoff ?? "fixed",
      jitter: spec.retries?.jitter ?? 0,
    },
    history: {
      completed: spec.history?.completed ?? runsKept,
      failed: spec.history?.failed ?? runsKept,
      cancelled: spec.history?.cancelled ?? runsKept,
      maxAgeSeconds: spec.history?.maxAge === undefined ? null : duration(spec.history.maxAge, 0),
    },
    timeoutSeconds: spec.timeout === undefined ? null : duration(spec.timeout, 0),
  };
}

function resolveFollow({ name, job, state, delay, parameters }: FollowSpec, values: object): ResolvedFollow {
  return {
    name: name ?? job,
    job,
    states: [state ?? "completed"].flat().toSorted(),
    delaySeconds: duration(delay, 0),
    parameters: { ...values, ...parameters },
  };
}

const runsKept = 1_000;
const weekSeconds = 7 * 86_400;

function resolveConcurrency(concurrency: JobFields["concurrency"]): ResolvedJob["concurrency"] {
  const { limit, whenFull = "queue", shared = {} } = concurrency ?? {};
  // One by default, unless nothing was said, or only what is shared.
  const ownByDefault = concurrency === undefined || concurrency.shared !== undefined ? null : 1;
  return { limit: limit ?? ownByDefault, whenFull, shared: Object.fromEntries(sortedEntries(shared)) };
}

type Schedule = NonNullable<JobFields["schedules"]>[number];
type When = ResolvedJob["schedules"][number]["when"];

function resolveWhen(schedule: Schedule): When {
  if (schedule.cron !== undefined) return { by: "cron", cron: schedule.cron, isDayOr: schedule.dayOr ?? true };
  if (schedule.rrule !== undefined) return { by: "rrule", rrule: schedule.rrule };
  const intervalSeconds = parseIsoDuration(schedule.interval ?? "");
  if (intervalSeconds === undefined) throw new TypeError(`schedule ${schedule.name} was not checked`);
  return { by: "interval", intervalSeconds };
}

function resolveSite(spec: SiteSpec, environment: string): ResolvedSite {
  const access = deploymentAccess(spec.access);
  const further = (spec.routes ?? []).map((route) => ({
    subdomain: route.subdomain,
    access: mergeAccess(access, route.access),
  }));
  return {
    ...resolveCommon(spec, environment),
    kind: "site",
    source: resolveSource(spec.source),
    build: spec.build ?? null,
    workingDir: spec.workingDir ?? ".",
    folder: spec.folder ?? ".",
    spa: spec.spa ?? false,
    env: textMap(spec.env),
    ...(spec.deploy && { deploy: spec.deploy }),
    access,
    routes: [{ subdomain: spec.subdomain ?? spec.name, access }, ...further],
  };
}
