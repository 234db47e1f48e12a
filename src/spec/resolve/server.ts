import type { SpecContext } from "../context.ts";
import type {
  AccessSpec,
  ComponentSpec,
  HealthSpec,
  ReplicasSpec,
  ServiceSpec,
  WorkloadFields,
} from "../deployment.ts";
import { overlay } from "../overlay.ts";
import type {
  ResolvedAccess,
  ResolvedComponent,
  ResolvedHealth,
  ResolvedReplicas,
  ResolvedServer,
} from "../resolved.ts";
import { duration, resolveWorkload, sortedEntries } from "./workload.ts";

const defaultPort = 8000;
const defaultHealth = { intervalSeconds: 10, timeoutSeconds: 5, startTimeoutSeconds: 120 };
const defaultIdleSeconds = 15 * 60;
const defaultTargetCpu = 80;

export function resolveServer(fields: Pick<ComponentSpec, "port" | "health" | "replicas">): ResolvedServer {
  return {
    port: fields.port ?? defaultPort,
    health: resolveHealth(fields.health),
    replicas: resolveReplicas(fields.replicas),
  };
}

function resolveHealth(health: string | HealthSpec = {}): ResolvedHealth {
  const spec = typeof health === "string" ? { path: health } : health;
  return {
    path: spec.path ?? null,
    intervalSeconds: duration(spec.interval, defaultHealth.intervalSeconds),
    timeoutSeconds: duration(spec.timeout, defaultHealth.timeoutSeconds),
    startTimeoutSeconds: duration(spec.startTimeout, defaultHealth.startTimeoutSeconds),
  };
}

export function resolveReplicas(replicas: number | ReplicasSpec = 1): ResolvedReplicas {
  if (typeof replicas === "number") return { min: replicas, max: replicas, targetCpu: null, idleAfterSeconds: null };
  const min = replicas.min ?? 1;
  const max = replicas.max ?? Math.max(min, 1);
  return {
    min,
    max,
    targetCpu: replicas.targetCpu ?? (max > Math.max(min, 1) ? defaultTargetCpu : null),
    idleAfterSeconds: min === 0 ? duration(replicas.idleAfter, defaultIdleSeconds) : null,
  };
}

/** Without a word about access, whoever is signed in may look. */
export function deploymentAccess(access: AccessSpec | undefined): ResolvedAccess {
  return mergeAccess({ visibility: "signed-in", viewers: [], public: [] }, access);
}

/** A route's own rules over the deployment's. Public paths belong to one route and are not inherited. */
export function mergeAccess(below: ResolvedAccess, access: AccessSpec = {}): ResolvedAccess {
  return {
    visibility: access.visibility ?? below.visibility,
    viewers: [...(access.viewers ?? below.viewers)].sort(),
    public: [...(access.public ?? [])],
  };
}

// The fields of a deployment that its components fall back to.
const inherited = [
  "source",
  "build",
  "startScript",
  "command",
  "workingDir",
  "size",
  "env",
  "requiredEnv",
  "files",
  "secrets",
  "stopTimeout",
] as const satisfies readonly (keyof WorkloadFields)[];

/** A component as written, over what the deployment gives to all of its components. */
export function completeComponent(spec: ServiceSpec, component: ComponentSpec): ComponentSpec {
  const defaults: Record<string, unknown> = {};
  for (const key of inherited) if (spec[key] !== undefined) defaults[key] = spec[key];
  return overlay(defaults as ComponentSpec, component);
}

export function resolveComponents(spec: ServiceSpec, context: SpecContext): Record<string, ResolvedComponent> {
  return Object.fromEntries(
    sortedEntries(spec.components ?? {}).map(([name, component]) => [
      name,
      resolveComponent(completeComponent(spec, component), context),
    ]),
  );
}

function resolveComponent(component: ComponentSpec, context: SpecContext): ResolvedComponent {
  const workload = resolveWorkload(component, context);
  return component.kind === "worker"
    ? { kind: "worker", ...workload, replicas: resolveReplicas(component.replicas) }
    : { kind: "service", ...workload, ...resolveServer(component) };
}
