import { makeProcess, makeSource, restingReason, type Outputs, type WorkloadOf } from "./parts.ts";

const startTimeoutSeconds = 60;

/** A program that nobody calls. */
export function program(workload: WorkloadOf<"worker">): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload);
    if (reason !== null) return Promise.resolve({ reason });
    const process = makeProcess(workload, makeSource(workload), {
      kind: "worker",
      ports: [],
      health: null,
      startTimeoutSeconds,
    });
    return Promise.resolve({ process: process.id });
  };
}
