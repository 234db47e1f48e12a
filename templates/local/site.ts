import { makeRoutes, makeSource, restingReason, type Outputs, type WorkloadOf } from "./parts.ts";

/** Files, served by the gateway itself. */
export function program(workload: WorkloadOf<"site">): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload);
    if (reason !== null) {
      makeRoutes(workload, workload.spec.routes, () => ({ kind: "none", reason }));
      return Promise.resolve({ reason });
    }
    const { workingDir, folder, spa } = workload.spec;
    const published = makeSource(workload).folder.apply((tree) => [tree, workingDir, folder].join("/"));
    makeRoutes(workload, workload.spec.routes, () => ({ kind: "files", folder: published, spa }));
    return Promise.resolve({ folder: published });
  };
}
