import * as pulumi from "@pulumi/pulumi";
import { CronJob } from "@pulumi/kubernetes/batch/v1/cronJob.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import type { input } from "@pulumi/kubernetes/types/index.js";
import type { Provider } from "@pulumi/kubernetes/provider.js";
import { deploymentLabels, environmentLabels, labels, serverLabel } from "../../src/targets/kubernetes/names.ts";
import type { CronJobPlace, Place } from "../../src/targets/kubernetes/place.ts";
import { runPod } from "../../src/targets/kubernetes/runs/run-objects.ts";
import type { Outputs, WorkloadOf } from "../local/parts.ts";
import { clusterProvider, madeSource, mountedFiles } from "./parts.ts";

type Workload = WorkloadOf<"job">;

/** The files that runs start from, built and kept: a run brings its own objects, and takes them along. */
export function program(workload: Workload, place: Place): () => Promise<Outputs> {
  return () => {
    if (workload.spec.state === "stopped") return Promise.resolve({});
    // That it is registered keeps the environment's namespace, which runs stand on.
    const provider = clusterProvider(place);
    madeSource(place);
    const cronJobs = (place.cronJobs ?? []).map((each) => makeCronJob(workload, place, { cronJob: each, provider }));
    return Promise.resolve({
      namespace: place.namespace,
      source: place.source?.key ?? "",
      ...(cronJobs.length > 0 && { cronJobs: cronJobs.map(({ metadata }) => metadata.name) }),
    });
  };
}

interface Making {
  readonly cronJob: CronJobPlace;
  readonly provider: Provider;
}

// Of what has ended while nobody looked, so many are found again.
const mostKept = 100;
const keptSeconds = 7 * 24 * 3_600;

// What it has started runs on without it.
const orphaning = { "pulumi.com/deletionPropagationPolicy": "orphan" };

/** A schedule that the cluster fires: its Jobs need nothing of the server. */
function makeCronJob(workload: Workload, place: Place, { cronJob, provider }: Making): CronJob {
  const { stack, spec } = workload;
  const { namespace, server } = place;
  const { name, cron, timeZone, concurrencyPolicy, startingDeadlineSeconds, isSuspended } = cronJob;
  const { history, retries, timeoutSeconds } = spec;
  const own = { ...deploymentLabels(stack), ...serverLabel(server) };
  const ofRuns = {
    ...environmentLabels(stack),
    [labels.job]: stack.deployment,
    [labels.schedule]: cronJob.schedule.name,
    ...serverLabel(server),
  };
  const inputs = makeInputs(workload, place, { cronJob, provider });
  return new CronJob(
    name,
    {
      metadata: { name, namespace, labels: own, annotations: orphaning },
      spec: {
        schedule: cron,
        timeZone,
        concurrencyPolicy,
        startingDeadlineSeconds,
        suspend: isSuspended,
        successfulJobsHistoryLimit: Math.min(history.completed, mostKept),
        failedJobsHistoryLimit: Math.min(history.failed, mostKept),
        jobTemplate: {
          metadata: { labels: ofRuns },
          spec: {
            backoffLimit: retries.limit,
            ttlSecondsAfterFinished: keptSeconds,
            ...(timeoutSeconds !== null && { activeDeadlineSeconds: Math.ceil(timeoutSeconds) }),
            template: { metadata: { labels: ofRuns }, spec: podOf(workload, place, cronJob) },
          },
        },
      },
    },
    { provider, dependsOn: inputs },
  );
}

const inputsName = ({ name }: Pick<CronJobPlace, "name">): string => `${name}-secrets`;

function podOf(job: Workload, place: Place, { name, command, env }: CronJobPlace): input.core.v1.PodSpec {
  const order = { run: "", attempt: 1, command, env, secrets: [] };
  const facts = { order, job, place, values: new Map(), keeper: null };
  return runPod(facts, inputsName({ name })) as input.core.v1.PodSpec;
}

/** By the CronJob's name, whatever the revision: a pod that starts while it changes finds one of both. */
function makeInputs(workload: Workload, place: Place, { cronJob, provider }: Making): pulumi.CustomResource[] {
  const { spec, stack } = workload;
  const name = inputsName(cronJob);
  const metadata = {
    name,
    namespace: place.namespace,
    labels: { ...deploymentLabels(stack), ...serverLabel(place.server) },
  };
  const values = [...place.secrets].map(([key, value]) => [key, pulumi.secret(value.reveal())] as const);
  const files = mountedFiles(workload).map(({ key, path }) => [key, spec.files[path]?.content ?? ""] as const);
  return [
    ...(values.length > 0
      ? [new Secret(name, { metadata, stringData: Object.fromEntries(values) }, { provider })]
      : []),
    ...(files.length > 0 ? [new ConfigMap(name, { metadata, data: Object.fromEntries(files) }, { provider })] : []),
  ];
}
