import { posix } from "node:path";
import { makeRoutes, makeSource, publishedFolder, restingReason, type Outputs, type WorkloadOf } from "./parts.ts";

/** Files, served by the gateway itself; `withdrawn` is why requests are led nowhere although they are there. */
export function program(workload: WorkloadOf<"site">, withdrawn?: string): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload) ?? withdrawn ?? null;
    if (reason !== null) {
      makeRoutes(workload, workload.spec.routes, () => ({ kind: "none", reason }));
      return Promise.resolve({ reason });
    }
    const { spec } = workload;
    const published = makeSource(workload).folder.apply((tree) => posix.join(tree, publishedFolder(spec)));
    makeRoutes(workload, workload.spec.routes, () => ({ kind: "files", folder: published, spa: spec.spa }));
    return Promise.resolve({ folder: published });
  };
}
