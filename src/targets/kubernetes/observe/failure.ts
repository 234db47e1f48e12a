import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import type { KubernetesTargetSettings } from "../../../spec/server-settings.ts";
import { lastLinesText } from "../../local/processes/diagnosis.ts";
import type { Target } from "../../target.ts";
import type { Workload } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { outlineOf } from "../places.ts";
import { stopRevision } from "../rollout/handover.ts";
import { lastLinesOf } from "./logs.ts";
import type { ClusterStatus } from "./status.ts";

interface Dependencies {
  readonly cluster: Cluster;
  readonly status: Pick<ClusterStatus, "trouble" | "newestPods" | "replicas">;
  readonly settings: KubernetesTargetSettings;
}

const keptLines = 20;
const readMs = 3_000;

/** What becomes of an apply that failed: its reason, by what the pods say, and an end to what goes on failing. */
export function makeFailures({ cluster, status, settings }: Dependencies) {
  const revisionOf = (workload: Workload): string | undefined =>
    outlineOf(settings, workload, status.replicas(workload.stack))?.revision;

  async function lastLines(stack: StackName, signal: AbortSignal): Promise<string> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(readMs)]);
    const options = { lines: keptLines, signal: limited };
    const found = await lastLinesOf({ cluster }, status.newestPods(stack), options).catch(() => []);
    return lastLinesText(found.map(({ text }) => text));
  }

  return {
    /** Its pods say more than whoever waited for them. */
    async explain({ stack }, error, signal) {
      const given = error instanceof WaybillError ? error.code : null;
      // Of anything else than pods that were waited for, the error says most itself.
      const trouble = given === "STEP_FAILED" || given === "WORKLOAD_FAILED" ? status.trouble(stack) : null;
      if (trouble === null || given === null) return null;
      const code = trouble.isFinal ? "WORKLOAD_FAILED" : given;
      // Its pods are stopped after this, and their lines go with them.
      const isToldWhole = code !== "WORKLOAD_FAILED" || trouble.isPlacement === true || trouble.reason.includes("\n");
      const lines = isToldWhole ? "" : await lastLines(stack, signal);
      return new WaybillError(code, `${trouble.reason}${lines}`, { cause: error });
    },
    async withdraw(workload, previous, signal) {
      const failed = revisionOf(workload);
      const runs = previous && revisionOf(previous);
      // What changed beside the pods failed with pods that run already.
      if (failed === undefined || failed === runs) return;
      await stopRevision(cluster, { stack: workload.stack, revision: failed }, signal);
    },
  } satisfies Pick<Target, "explain" | "withdraw">;
}
