import { createInterface } from "node:readline";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer } from "../cluster/informer.ts";
import { referenceOf, type KubeObject, type OwnerReference } from "../cluster/object.ts";
import { podTrouble } from "../observe/diagnosis.ts";
import type { Condition, PodObject } from "../observe/pods.ts";
import { buildContainer, type BuildObjects } from "./build-job.ts";
import type { BuildStep } from "./made-source.ts";

interface BuildRun {
  readonly cluster: Cluster;
  readonly objects: BuildObjects;
  readonly step: BuildStep;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Each line of its output. */
  readonly onProgress: (message: string) => void;
}

interface JobObject extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

const keptLines = 20;

/**
 * Runs the Job, or waits for one of the same name that runs already, and resolves once it has handed its result over.
 * Rejects with BUILD_FAILED and the last lines. Whatever comes, nothing of it stays in the cluster.
 */
export async function runBuild(run: BuildRun): Promise<void> {
  const { cluster, objects, signal } = run;
  try {
    await cluster.apply(objects.secret, { signal });
    const { apiVersion, kind, metadata } = await cluster.apply(objects.job, { signal });
    const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "" };
    // Should this server end now, the addresses go with the Job.
    await cluster.apply(ownedBy(objects.secret, owner), { signal });
    await ended(run);
  } finally {
    const cleaning = AbortSignal.timeout(10_000);
    for (const object of [objects.job, objects.secret]) {
      await cluster.delete(referenceOf(object), { signal: cleaning }).catch(() => false);
    }
  }
}

const ownedBy = (object: KubeObject, owner: OwnerReference & { readonly apiVersion: string }): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, ownerReferences: [owner] },
});

/** Resolves when the Job completed; rejects when it, or a pod of it, says that it will not. */
async function ended(run: BuildRun): Promise<void> {
  const { cluster, objects, clock, log, signal } = run;
  const { name, namespace = "" } = objects.job.metadata;
  const outcome = Promise.withResolvers<void>();
  const reading = new AbortController();
  let isRead = false;
  const watch = { namespace, clock, log };
  const job = makeInformer<JobObject>(cluster, {
    apiVersion: "batch/v1",
    kind: "Job",
    fieldSelector: `metadata.name=${name}`,
    ...watch,
    onChange: ({ type, object }) => {
      if (type === "removed") return outcome.reject(failed(run, "was removed from the cluster", []));
      const has = (wanted: string) =>
        object.status?.conditions?.find((one) => one.type === wanted && one.status === "True");
      if (has("Complete")) outcome.resolve();
      const failure = has("Failed");
      if (failure) void explainFailure(run, pods.all()[0], failure).then(outcome.reject);
    },
  });
  const pods = makeInformer<PodObject>(cluster, {
    apiVersion: "v1",
    kind: "Pod",
    labelSelector: `job-name=${name}`,
    ...watch,
    onChange: ({ type, object }) => {
      if (type === "removed") return;
      const trouble = podTrouble(object, { kind: "worker", events: [] });
      if (trouble?.isPlacement === true && trouble.isFinal)
        outcome.reject(failed(run, `cannot begin: ${trouble.reason}`, []));
      const own = object.status?.initContainerStatuses?.find((one) => one.name === buildContainer);
      if (isRead || (own?.state?.running ?? own?.state?.terminated) === undefined) return;
      isRead = true;
      void follow(run, object, AbortSignal.any([signal, reading.signal]));
    },
  });
  const abort = (): void => outcome.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await outcome.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    reading.abort();
    await Promise.all([job.close(), pods.close()]);
  }
}

async function follow({ cluster, onProgress }: BuildRun, pod: PodObject, signal: AbortSignal): Promise<void> {
  try {
    const response = await cluster.stream(logPath(pod, { follow: "true" }), signal);
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) onProgress(line);
  } catch {
    // Its lines are told as they come; a failure is explained from the log itself.
  }
}

async function explainFailure(
  run: BuildRun,
  pod: PodObject | undefined,
  { message = "" }: Condition,
): Promise<WaybillError> {
  const containers = [...(pod?.status?.initContainerStatuses ?? []), ...(pod?.status?.containerStatuses ?? [])];
  const failure = containers.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  const end = failure?.state?.terminated;
  if (!pod || !failure || !end) return failed(run, `did not end: ${message}`, []);
  // It says of each attempt why it failed.
  const why = end.message?.trim().split("\n").at(-1) ?? message;
  if (failure.name !== buildContainer) return failed(run, `could not be done: ${why}`, []);
  if (end.reason === "OOMKilled") return failed(run, "was killed for memory: give the deployment a larger size", []);
  return failed(run, `failed with status ${end.exitCode}`, await lastLines(run, pod));
}

async function lastLines({ cluster }: BuildRun, pod: PodObject): Promise<readonly string[]> {
  try {
    const response = await cluster.stream(logPath(pod, { tailLines: String(keptLines) }), AbortSignal.timeout(10_000));
    const lines: string[] = [];
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) lines.push(line);
    return lines;
  } catch {
    return [];
  }
}

const logPath = ({ metadata }: PodObject, query: Readonly<Record<string, string>>): string =>
  `/api/v1/namespaces/${metadata.namespace ?? ""}/pods/${metadata.name}/log?${new URLSearchParams({ container: buildContainer, ...query }).toString()}`;

function failed({ step }: BuildRun, how: string, lines: readonly string[]): WaybillError {
  const count = lines.length === 1 ? "last line" : `last ${lines.length} lines`;
  const tail = lines.length === 0 ? "" : `\n${count}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  return new WaybillError("BUILD_FAILED", `the build \`${step.command}\` ${how}${tail}`);
}
