import { stackKey, type StackName } from "../../../core/stack.ts";
import type { Fired, TargetSchedules } from "../../target.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/object.ts";
import { isOfAnother, labels, manager, namespaceOf } from "../names.ts";
import { cronJobsOf, timeOfJob } from "../schedules/cron-job.ts";
import type { RunSight } from "./run-sight.ts";

interface Parts {
  readonly cluster: Cluster;
  readonly server: string;
  readonly sight: Pick<RunSight, "onJob">;
}

interface CronJobObject extends KubeObject {
  readonly spec: { readonly suspend?: boolean };
  readonly status?: { readonly lastScheduleTime?: string };
}

const kind = { apiVersion: "batch/v1", kind: "CronJob" } as const;
// Whether it fires is not what its program says: drift knows these fields as ours all the same.
const fieldManager = "waybill-schedules";

/** Schedules as CronJobs: suspended until the server has let go of them, and whenever they are paused. */
export function makeClusterSchedules({ cluster, server, sight }: Parts): TargetSchedules {
  return {
    namesOf: (workload) => new Set(cronJobsOf(workload).made.map(({ schedule }) => schedule.name)),
    async fired(stack, signal) {
      const selection = { apiVersion: "batch/v1", kind: "Job", labelSelector: selectorOf(stack) };
      const { items } = await cluster.list({ ...selection, ...(stack && { namespace: namespaceOf(stack) }) }, signal);
      return items.flatMap((job) => firedBy(job, server) ?? []).toSorted((a, b) => a.time.getTime() - b.time.getTime());
    },
    onFired(listener) {
      // A Job changes several times; the times of a schedule come in their order, and what came before is listed.
      const latest = new Map<string, Date>();
      return sight.onJob((job) => {
        const fired = firedBy(job, server);
        if (!fired) return;
        const key = `${stackKey(fired.stack)}/${fired.schedule}`;
        if (fired.time <= (latest.get(key) ?? 0)) return;
        latest.set(key, fired.time);
        listener(fired);
      });
    },
    async set(workload, schedule, from, signal) {
      const found = cronJobsOf(workload).made.find((each) => each.schedule.name === schedule);
      if (!found) return;
      const reference = { ...kind, namespace: namespaceOf(workload.stack), name: found.name };
      const live = await cluster.get<CronJobObject>(reference, signal);
      if (!live) return;
      const isSuspended = live.spec.suspend === true;
      if (isSuspended === (from === null)) return;
      // Otherwise it would make up for what the server has fired, or what was paused.
      if (from !== null) {
        const last = Math.max(from.getTime(), Date.parse(live.status?.lastScheduleTime ?? "") || 0);
        const value = new Date(last).toISOString().replace(/\.\d+Z$/, "Z");
        const change = { op: "add", path: "/status/lastScheduleTime", value } as const;
        await cluster.patch(reference, [change], { signal, fieldManager, subresource: "status" });
      }
      const change = { op: "add", path: "/spec/suspend", value: from === null } as const;
      await cluster.patch(reference, [change], { signal, fieldManager });
    },
  };
}

/** Of the Jobs that CronJobs have made of one job, or of all. */
export function selectorOf(stack: StackName | null): string {
  const all = `${labels.manager}=${manager},${labels.schedule}`;
  if (!stack) return all;
  const { repository, environment, deployment } = stack;
  return `${all},${labels.repository}=${repository},${labels.environment}=${environment},${labels.job}=${deployment}`;
}

/** Null for what is no CronJob's of this server: a run of the server, or a Job that somebody has made by hand. */
function firedBy({ metadata }: KubeObject, server: string): Fired | null {
  const own = metadata.labels ?? {};
  if (metadata.annotations?.["cronjob.kubernetes.io/instantiate"] === "manual") return null;
  const [schedule, job] = [own[labels.schedule], own[labels.job]];
  const [repository, environment] = [own[labels.repository], own[labels.environment]];
  const time = timeOfJob(metadata.name);
  if (schedule === undefined || job === undefined || time === null || isOfAnother(own, server)) return null;
  if (repository === undefined || environment === undefined) return null;
  return { id: metadata.name, stack: { repository, environment, deployment: job }, schedule, time };
}

/** Whether each CronJob of a job is suspended, by name. */
export async function readSuspended(
  cluster: Pick<Cluster, "list">,
  stack: StackName,
): Promise<ReadonlyMap<string, boolean>> {
  const labelSelector = `${labels.manager}=${manager},${labels.deployment}=${stack.deployment}`;
  const selection = { ...kind, namespace: namespaceOf(stack), labelSelector };
  const { items } = await cluster.list<CronJobObject>(selection, AbortSignal.timeout(askMs));
  return new Map(items.map(({ metadata, spec }) => [metadata.name, spec.suspend === true]));
}

const askMs = 30_000;
