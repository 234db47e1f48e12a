import type { Place } from "../../src/targets/kubernetes/place.ts";
import type { Outputs, WorkloadOf } from "../local/parts.ts";
import { clusterProvider, madeSource } from "./parts.ts";

/** The files that runs start from, built and kept: a run brings its own objects, and takes them along. */
export function program(workload: WorkloadOf<"job">, place: Place): () => Promise<Outputs> {
  return () => {
    if (workload.spec.state === "stopped") return Promise.resolve({});
    // That it is registered keeps the environment's namespace, which runs stand on.
    clusterProvider(place);
    madeSource(place);
    return Promise.resolve({ namespace: place.namespace, source: place.source?.key ?? "" });
  };
}
