import type { Place } from "../../src/targets/kubernetes/place.ts";
import { restingReason, type Outputs, type WorkloadOf } from "../local/parts.ts";
import { clusterProvider } from "./parts.ts";
import { makeDeployment } from "./workload.ts";

/** Pods that nobody calls. */
export function program(workload: WorkloadOf<"worker">, place: Place): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload);
    if (reason !== null) return Promise.resolve({ reason });
    const deployment = makeDeployment(workload, place, { provider: clusterProvider(place) });
    return Promise.resolve({ deployment: deployment.metadata.name });
  };
}
