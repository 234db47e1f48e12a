import type { StackName } from "../../src/core/stack.ts";
import { stackKey } from "../../src/core/stack.ts";
import type { Applied, Deployer, DeployOptions } from "../../src/release/deployer.ts";
import type { Workload } from "../../src/release/workload.ts";

export interface FakeDeployer extends Deployer {
  /** What runs now, by `repository/environment/deployment`. */
  readonly running: ReadonlyMap<string, Workload>;
  /** Every apply that was started, in order. */
  readonly applies: readonly Workload[];
  /** Called within each apply: may wait, or throw. */
  behave: (workload: Workload, signal: AbortSignal) => Promise<void>;
}

/** A target that remembers instead of running. */
export function makeFakeDeployer(): FakeDeployer {
  const running = new Map<string, Workload>();
  const applies: Workload[] = [];
  const fake: FakeDeployer = {
    running,
    applies,
    behave: async () => undefined,
    notices: ({ spec }) => (spec.kind === "job" ? ["jobs are not run here"] : []),
    async apply(workload: Workload, { signal, onProgress }: DeployOptions): Promise<Applied> {
      applies.push(workload);
      onProgress({ state: "starting", message: "starting" });
      await fake.behave(workload, signal);
      signal.throwIfAborted();
      running.set(stackKey(workload.stack), workload);
      return { url: `http://${workload.host}.localhost`, status: { state: statusOf(workload), reason: "" } };
    },
    async remove(stack: StackName) {
      running.delete(stackKey(stack));
    },
  };
  return fake;
}

function statusOf({ spec }: Workload): "ready" | "paused" | "stopped" {
  return spec.state === "running" ? "ready" : spec.state;
}
