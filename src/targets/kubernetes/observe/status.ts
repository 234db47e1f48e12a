import type { Clock } from "../../../core/clock.ts";
import { makeFeed } from "../../../core/feed.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { StatusChange } from "../../target.ts";
import type { WorkloadStatus } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer } from "../cluster/informer.ts";
import type { KubeObject } from "../cluster/object.ts";
import { diagnose, troubleOf, type Facts, type Trouble } from "./diagnosis.ts";
import { isOfAnother, labels, manager, stackOf } from "../names.ts";
import { withScaling, type AutoscalerObject } from "./scaling.ts";
import { statusOfParts, troubleOfParts } from "./together.ts";
import type { DeploymentObject, EventObject, PodObject } from "./pods.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What this server is called in it. */
  readonly server: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What a pod that finds no place lacks, where it is known what the cluster has. */
  readonly shortage?: Facts["shortage"];
}

/** How all deployments of a cluster are, kept up to date by what the cluster tells of its pods. */
export interface ClusterStatus {
  /** Of the newest revision; null where nothing runs. */
  status(stack: StackName): WorkloadStatus | null;
  /** Begins with how everything is. */
  onStatus(listener: (change: StatusChange) => void): () => void;
  /** What keeps the newest revision from answering. */
  trouble(stack: StackName): Trouble | null;
  /** Replicas of the newest revision that are meant to run now; null where there is none. */
  replicas(stack: StackName): number | null;
  pods(stack: StackName): readonly PodObject[];
  /** Those of the newest revision. */
  newestPods(stack: StackName): readonly PodObject[];
  /** Called when a pod of the stack came, changed or went; answers how to stop. */
  onPods(listener: (stack: StackName) => void): () => void;
  close(): Promise<void>;
}

export function makeClusterStatus(dependencies: Dependencies): ClusterStatus {
  const changes = makeFeed<StatusChange>();
  const touched = makeFeed<StackName>();
  const said = new Map<string, { readonly text: string; readonly change: StatusChange }>();
  const seen = observe(dependencies, look);

  function status(stack: StackName): WorkloadStatus | null {
    return statusOfParts(
      newestParts(stack, (facts) => withScaling(diagnose(facts), seen.autoscaler(facts.deployment))),
    );
  }

  /** Of each Deployment of the newest revision: a deployment of components has several. */
  function newestParts<Is>(stack: StackName, judge: (facts: Facts) => Is) {
    const [newest, ...others] = seen.revisions(stack);
    if (!newest) return [];
    const isOfRevision = (other: DeploymentObject): boolean =>
      labelOf(other, "revision") === labelOf(newest, "revision");
    return [newest, ...others.filter(isOfRevision)].map((deployment) => ({
      component: labelOf(deployment, "component") ?? null,
      is: judge(seen.facts(stack, deployment)),
    }));
  }

  function look(stack: StackName): void {
    touched.publish(stack);
    const now = status(stack);
    const text = JSON.stringify(now);
    const key = stackKey(stack);
    if (now === null) said.delete(key);
    if (now === null || said.get(key)?.text === text) return;
    const change = { stack, status: now };
    said.set(key, { text, change });
    changes.publish(change);
  }

  return {
    status,
    onStatus(listener) {
      for (const { change } of said.values()) listener(change);
      return changes.listen(listener);
    },
    trouble: (stack) => troubleOfParts(newestParts(stack, troubleOf)),
    replicas: (stack) => seen.revisions(stack)[0]?.spec?.replicas ?? null,
    pods: seen.pods,
    newestPods: (stack) => newestParts(stack, ({ pods }) => pods).flatMap(({ is }) => is),
    onPods: (listener) => touched.listen(listener),
    close: seen.close,
  };
}

/** Deployments, their pods, and the cluster's warnings about those. */
function observe({ cluster, server, clock, log, shortage }: Dependencies, onStack: (stack: StackName) => void) {
  const onChange = ({ object }: { readonly object: KubeObject }): void => {
    const stack = stackOf(object.metadata.labels);
    if (stack !== null) onStack(stack);
  };
  const watch = { clock, log, labelSelector: `${labels.manager}=${manager},${labels.deployment}`, onChange };
  // Pods do not say which server's they are; what is theirs goes by their Deployment.
  const own = { ...watch, isMeant: ({ metadata }: KubeObject) => !isOfAnother(metadata.labels, server) };
  const deployments = makeInformer<DeploymentObject>(cluster, { ...own, apiVersion: "apps/v1", kind: "Deployment" });
  const pods = makeInformer<PodObject>(cluster, { ...watch, apiVersion: "v1", kind: "Pod" });
  const events = makeInformer<EventObject>(cluster, {
    clock,
    log,
    apiVersion: "v1",
    kind: "Event",
    fieldSelector: "type=Warning,involvedObject.kind=Pod",
    trim: withoutMost,
    onChange: ({ object }) => {
      const { involvedObject, metadata } = object;
      const pod = pods.get(involvedObject?.name ?? "", metadata.namespace);
      if (pod) onChange({ object: pod });
    },
  });
  const autoscalers = makeInformer<AutoscalerObject>(cluster, {
    ...own,
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
  });
  const podsOf = (stack: StackName): readonly PodObject[] => pods.all().filter(belongsTo(stack));
  return {
    pods: podsOf,
    /** It is called like what it scales. */
    autoscaler: ({ metadata }: DeploymentObject) => autoscalers.get(metadata.name, metadata.namespace) ?? undefined,
    /** The newest first. */
    revisions: (stack: StackName): readonly DeploymentObject[] =>
      deployments
        .all()
        .filter(belongsTo(stack))
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .toSorted((a, b) => createdAt(b).localeCompare(createdAt(a))),
    facts(stack: StackName, deployment: DeploymentObject): Facts {
      const isIts = (pod: PodObject): boolean =>
        labelOf(pod, "revision") === labelOf(deployment, "revision") &&
        labelOf(pod, "component") === labelOf(deployment, "component");
      const own = podsOf(stack).filter(isIts);
      const uids = new Set(own.map(({ metadata }) => metadata.uid));
      const isService = own.some(({ spec }) => spec?.containers?.some((container) => "ports" in container));
      return {
        kind: isService ? "service" : "worker",
        deployment,
        pods: own,
        ...(shortage && { shortage }),
        events: events.all().filter(({ involvedObject }) => uids.has(involvedObject?.uid)),
      };
    },
    close: async () => void (await Promise.all([deployments, pods, events, autoscalers].map((each) => each.close()))),
  };
}

const labelOf = ({ metadata }: KubeObject, label: "revision" | "component"): string | undefined =>
  metadata.labels?.[labels[label]];

const belongsTo =
  (stack: StackName) =>
  ({ metadata }: KubeObject): boolean => {
    const owner = stackOf(metadata.labels);
    return owner !== null && stackKey(owner) === stackKey(stack);
  };

const createdAt = ({ metadata }: KubeObject): string => metadata.creationTimestamp ?? "";

/** Of a cluster's warnings there may be many. */
function withoutMost({
  apiVersion,
  kind,
  metadata,
  reason,
  message,
  involvedObject,
  lastTimestamp,
  eventTime,
}: EventObject): EventObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message: message.slice(0, 1_000) }),
    ...(involvedObject !== undefined && { involvedObject }),
    ...(lastTimestamp !== undefined && { lastTimestamp }),
    ...(eventTime !== undefined && { eventTime }),
  };
}
