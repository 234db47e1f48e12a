import { defaultContext } from "../../src/spec/context.ts";
import { formatProblem } from "../../src/spec/problem.ts";
import { checkRepository } from "../../src/spec/repository.ts";
import { resolve } from "../../src/spec/resolve.ts";
import type { Workload } from "../../src/targets/workload.ts";

/** A deployment file of the repository `shop` as a workload, the way release makes one. */
export function workloadOf(yaml: string, changes: Partial<Workload> = {}): Workload {
  const path = "deployments/web.yaml";
  const { deployments, problems } = checkRepository(
    [{ path, bytes: Buffer.from(`apiVersion: waybill/v1\n${yaml}`) }],
    defaultContext,
  );
  const [written] = deployments;
  if (!written) throw new TypeError(problems.map(formatProblem).join("\n"));
  const stack = { repository: "shop", environment: "production", deployment: written.name };
  const spec = resolve(written, stack.environment, defaultContext);
  const surroundings = { source: null, target: "local", secrets: [], restart: null, pause: null };
  return { stack, spec, host: stack.deployment, ...surroundings, ...changes };
}
