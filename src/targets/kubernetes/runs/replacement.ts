import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { isFiredByTarget, type RunOrder } from "../../run-executor.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { namespaceOf } from "../names.ts";
import { whoReplaced } from "../schedules/cron-job.ts";
import { selectorOf } from "./cluster-schedules.ts";

interface Parts {
  readonly cluster: Pick<Cluster, "list">;
  readonly clock: Clock;
}

// The controller removes what still runs, and makes the next Job right after.
const looks = 3;
const lookMs = 1_000;

/** That the next run of its schedule has taken a run's place, whose Job is gone; null where it is there, or none has. */
export async function replacement(
  { cluster, clock }: Parts,
  order: RunOrder,
  signal: AbortSignal,
): Promise<WaybillError | null> {
  if (!isFiredByTarget(order)) return null;
  const { stack } = order.workload;
  const selection = {
    apiVersion: "batch/v1",
    kind: "Job",
    namespace: namespaceOf(stack),
    labelSelector: selectorOf(stack),
  };
  for (let left = looks; left > 0; left -= 1) {
    const { items } = await cluster.list(selection, signal);
    const there = items.map(({ metadata }) => metadata.name);
    if (there.includes(order.run)) return null;
    const next = whoReplaced(order.run, there, order.workload);
    if (next !== null) {
      return new WaybillError("RUN_REPLACED", `cancelled to make room for run ${next}, the next one of its schedule`);
    }
    await clock.sleep(lookMs, signal);
  }
  return null;
}
