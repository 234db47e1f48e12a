import {
  makeProcess,
  makeRoutes,
  makeSource,
  portsOf,
  restingReason,
  type Outputs,
  type ServingArgs,
  type WorkloadOf,
} from "./parts.ts";

type Service = WorkloadOf<"service">;

/** A program behind one or more host names. */
export function program(workload: Service): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload);
    if (reason === null) return Promise.resolve(running(workload));
    makeRoutes(workload, workload.spec.routes, () => ({ kind: "none", reason }));
    return Promise.resolve({ reason });
  };
}

export function servingArgs({ spec }: Service): ServingArgs {
  const { health, routes } = spec;
  return {
    kind: "service",
    ports: portsOf(spec),
    health: { path: health.path, timeoutSeconds: health.timeoutSeconds, protocol: routes[0]?.protocol ?? "http" },
    startTimeoutSeconds: health.startTimeoutSeconds,
  };
}

function running(workload: Service): Outputs {
  const { routes } = workload.spec;
  const process = makeProcess(workload, makeSource(workload), servingArgs(workload));
  makeRoutes(workload, routes, ({ port: wanted, protocol }) => ({
    kind: "http",
    hostname: process.hostname,
    port: process.bound.apply((bound) => bound[wanted] ?? 0),
    protocol,
  }));
  return { hostname: process.hostname, port: process.port };
}
