import { makeSource, type Outputs, type WorkloadOf } from "./parts.ts";

/** The files that runs start from, built and kept: what runs start is no resource. */
export function program(workload: WorkloadOf<"job">): () => Promise<Outputs> {
  // A pause keeps them: a person may still run what fires by itself no more.
  return () => Promise.resolve(workload.spec.state === "stopped" ? {} : { source: makeSource(workload).key });
}
