import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import { orAborted } from "../../local/processes/launch.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer } from "../cluster/informer.ts";
import type { KubeObject } from "../cluster/object.ts";
import { labels, manager } from "../names.ts";
import type { Condition, PodObject } from "../observe/pods.ts";

export interface JobObject extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly Condition[] | null;
    readonly startTime?: string;
    readonly completionTime?: string;
  };
}

const endOf = (job: JobObject): Condition | undefined =>
  job.status?.conditions?.find(({ type, status }) => (type === "Complete" || type === "Failed") && status === "True");

/** Nothing of it runs any more, and nothing of it will. */
export const hasJobEnded = (job: JobObject): boolean => endOf(job) !== undefined;

export const isJobComplete = (job: JobObject): boolean => endOf(job)?.type === "Complete";

/** It took longer than its timeout. */
export const isOverdueJob = (job: JobObject): boolean => endOf(job)?.reason === "DeadlineExceeded";

/** What the cluster told last of a start. */
export interface RunView {
  readonly job: JobObject | null;
  readonly isJobGone: boolean;
  /** As it was last, also when it is gone. */
  readonly pod: PodObject | null;
  readonly isPodGone: boolean;
}

export interface Followed {
  view(): RunView;
  /** Asked, the cluster has no such Job any more. */
  noteJobGone(): void;
  /** Resolves with the next change of anything, or after `withinMs`. */
  change(withinMs: number, signal: AbortSignal): Promise<void>;
  release(): void;
}

/** Jobs and pods of all runs in a cluster: two watches, however many runs there are. */
export interface RunSight {
  /** `key`: the Job's name and namespace. Resolves once all that is there has been seen. */
  follow(key: { readonly name: string; readonly namespace: string }, signal: AbortSignal): Promise<Followed>;
  /** Called with each Job of runs, now and whenever it changes, until the answer is called. */
  onJob(listener: (job: JobObject) => void): () => void;
  close(): Promise<void>;
}

interface Seen {
  view: RunView;
  wake: PromiseWithResolvers<void>;
}

const nothing: RunView = { job: null, isJobGone: false, pod: null, isPodGone: false };

export function makeRunSight(parts: { readonly cluster: Cluster; readonly clock: Clock; readonly log: Log }): RunSight {
  const seen = new Map<string, Seen>();
  // Most servers run no jobs on most clusters: nothing is watched before the first.
  let watches: ReturnType<typeof watch> | null = null;

  function change(object: KubeObject, next: (view: RunView) => RunView): void {
    const one = seen.get(keyOf(object));
    if (!one) return;
    one.view = next(one.view);
    one.wake.resolve();
    one.wake = Promise.withResolvers();
  }
  const listeners = new Set<(job: JobObject) => void>();
  const onJob = (job: JobObject, isGone: boolean): void => {
    change(job, (view) => ({ ...view, job, isJobGone: isGone }));
    if (!isGone) for (const listener of listeners) listener(job);
  };
  const onPod = (pod: PodObject, isGone: boolean): void =>
    change(pod, (view) => (isOlder(pod, view.pod) ? view : { ...view, pod, isPodGone: isGone }));

  return {
    async follow({ name, namespace }, signal) {
      watches ??= watch(parts, { onJob, onPod });
      const { jobs, pods } = watches;
      const key = `${namespace}/${name}`;
      const one: Seen = { view: nothing, wake: Promise.withResolvers() };
      seen.set(key, one);
      await orAborted(Promise.all([jobs.ready, pods.ready]), signal);
      for (const job of jobs.all()) if (keyOf(job) === key && one.view.job === null) onJob(job, false);
      for (const pod of pods.all()) if (keyOf(pod) === key && one.view.pod === null) onPod(pod, false);
      return {
        view: () => one.view,
        noteJobGone() {
          one.view = { ...one.view, isJobGone: true };
        },
        async change(withinMs, asked) {
          const late = new AbortController();
          const timer = parts.clock.sleep(withinMs, AbortSignal.any([asked, late.signal])).catch(() => undefined);
          await Promise.race([one.wake.promise, timer]);
          late.abort();
        },
        release: () => void (seen.get(key) === one && seen.delete(key)),
      };
    },
    onJob(listener) {
      listeners.add(listener);
      const isFirst = watches === null;
      watches ??= watch(parts, { onJob, onPod });
      if (!isFirst) for (const job of watches.jobs.all()) listener(job);
      return () => void listeners.delete(listener);
    },
    async close() {
      await Promise.all([watches?.jobs.close(), watches?.pods.close()]);
    },
  };
}

interface Listeners {
  readonly onJob: (job: JobObject, isGone: boolean) => void;
  readonly onPod: (pod: PodObject, isGone: boolean) => void;
}

function watch(
  { cluster, clock, log }: { readonly cluster: Cluster; readonly clock: Clock; readonly log: Log },
  { onJob, onPod }: Listeners,
) {
  const labelSelector = `${labels.manager}=${manager},${labels.job}`;
  return {
    jobs: makeInformer<JobObject>(cluster, {
      apiVersion: "batch/v1",
      kind: "Job",
      labelSelector,
      clock,
      log,
      onChange: ({ type, object }) => onJob(object, type === "removed"),
    }),
    pods: makeInformer<PodObject>(cluster, {
      apiVersion: "v1",
      kind: "Pod",
      labelSelector,
      clock,
      log,
      onChange: ({ type, object }) => onPod(object, type === "removed"),
    }),
  };
}

/** A Job that tries again by itself has several pods; the newest one is the run's. */
const isOlder = ({ metadata }: PodObject, than: PodObject | null): boolean =>
  than !== null &&
  metadata.uid !== than.metadata.uid &&
  (metadata.creationTimestamp ?? "") < (than.metadata.creationTimestamp ?? "");

/** A Job of ours and its pod carry the same labels. What a CronJob has made carries none of its own: Kubernetes names it. */
function keyOf({ metadata }: KubeObject): string {
  const { name, namespace = "", labels: own = {} } = metadata;
  const run = own[labels.run];
  const key = run === undefined ? (own[jobName] ?? name) : `run-${run}-${own[labels.attempt] ?? ""}`;
  return `${namespace}/${key}`;
}

// https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-name
const jobName = "batch.kubernetes.io/job-name";
