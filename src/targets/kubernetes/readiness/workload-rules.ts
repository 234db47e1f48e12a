import type { Selection } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/object.ts";
import { troubleOf, type PodStatus } from "./pod-trouble.ts";
import {
  conditionOf,
  failed,
  hasLabels,
  isObserved,
  partOf,
  ready,
  waiting,
  type Condition,
  type Judgement,
  type Rule,
  type View,
} from "./rule.ts";

interface Counts {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
  readonly readyReplicas: number;
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly desiredNumberScheduled: number;
  readonly updatedNumberScheduled: number;
  readonly numberAvailable: number;
}
interface Spec {
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly paused: boolean;
  readonly suspend: boolean;
  readonly updateStrategy: { readonly type?: string; readonly rollingUpdate?: { readonly partition?: number } };
}

const podsOf = ({ metadata }: KubeObject): readonly Selection[] => [
  { apiVersion: "v1", kind: "Pod", ...(metadata.namespace !== undefined && { namespace: metadata.namespace }) },
];
const unobserved = waiting("its controller has not looked at it yet");

/** Waiting for so many of so many, with what the pods say; failed when they say that it is no use. */
function waitingForPods(view: View, progress: string): Judgement {
  const { reasons, isFinal, againInMs } = troubleOf(currentPods(view), view.nowMs);
  if (isFinal) return failed(...reasons);
  return { state: "waiting", reasons: [progress, ...reasons], ...(againInMs !== undefined && { againInMs }) };
}

// A policy may be made after what it is to admit, or a Secret's mount be corrected: longer than that is for good.
const refusedMs = 15_000;

/** Room in a quota may come; what a policy does not admit today, it does not admit tomorrow. */
function refused({ message, reason = "", lastTransitionTime = "" }: Condition, nowMs: number): Judgement {
  const said = `pods are refused: ${message ?? reason}`;
  const leftMs = Date.parse(lastTransitionTime) + refusedMs - nowMs;
  if (/exceeded quota/.test(said) || Number.isNaN(leftMs)) return waiting(said);
  return leftMs > 0 ? { state: "waiting", reasons: [said], againInMs: leftMs } : failed(said);
}

interface PodTemplate {
  readonly selector: { readonly matchLabels?: Readonly<Record<string, string>> };
}

// The labels by which the controllers tell pods of one template from those of another.
const templateLabels = ["pod-template-hash", "controller-revision-hash"] as const;

/** The pods of the template that was applied last. */
function currentPods({ object, related }: View): readonly KubeObject[] {
  const { selector } = partOf<PodTemplate>(object, "spec");
  const { matchLabels } = selector ?? {};
  if (matchLabels === undefined || Object.keys(matchLabels).length === 0) return [];
  const pods = related.filter((pod) => hasLabels(pod, matchLabels) && pod.metadata.deletionTimestamp === undefined);
  const newest = pods.toSorted((left, right) => bornAt(right).localeCompare(bornAt(left)))[0];
  return newest === undefined ? [] : pods.filter((pod) => templateOf(pod) === templateOf(newest));
}

const bornAt = ({ metadata }: KubeObject): string => metadata.creationTimestamp ?? "";
const templateOf = ({ metadata }: KubeObject): string =>
  templateLabels.map((label) => metadata.labels?.[label] ?? "").join("/");

/** As `kubectl rollout status` has it. */
export const deployment: Rule = {
  related: podsOf,
  judge(view) {
    const { object } = view;
    const { replicas: wanted = 1, minReadySeconds = 0, paused = false } = partOf<Spec>(object, "spec");
    const counts = partOf<Counts>(object, "status");
    const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = counts;
    if (!isObserved(object)) return unobserved;
    if (paused) return ready;
    const progressing = conditionOf(object, "Progressing");
    if (progressing?.reason === "ProgressDeadlineExceeded") {
      const { reasons } = troubleOf(currentPods(view), view.nowMs);
      return failed(progressing.message ?? "its progress deadline has passed", ...reasons);
    }
    const refusal = conditionOf(object, "ReplicaFailure");
    if (refusal?.status === "True") return refused(refusal, view.nowMs);
    if (updatedReplicas < wanted) return waitingForPods(view, `${updatedReplicas} of ${wanted} pods are made`);
    if (replicas > updatedReplicas) return waiting(`${replicas - updatedReplicas} old pods still have to go`);
    if (availableReplicas >= updatedReplicas) return ready;
    const isSettling = readyReplicas >= wanted && minReadySeconds > 0;
    const progress = isSettling ? `ready, and live when they have been for ${minReadySeconds} s` : "ready";
    return waitingForPods(view, `${isSettling ? readyReplicas : availableReplicas} of ${wanted} pods are ${progress}`);
  },
};

export const statefulSet: Rule = {
  related: podsOf,
  judge(view) {
    const { object } = view;
    const { replicas: wanted = 1, updateStrategy = {} } = partOf<Spec>(object, "spec");
    const counts = partOf<Counts>(object, "status");
    const { readyReplicas = 0, updatedReplicas = 0, currentRevision, updateRevision } = counts;
    if (!isObserved(object)) return unobserved;
    if (readyReplicas < wanted) return waitingForPods(view, `${readyReplicas} of ${wanted} pods are ready`);
    if (updateStrategy.type === "OnDelete") return ready;
    const { partition = 0 } = updateStrategy.rollingUpdate ?? {};
    const toUpdate = Math.max(0, wanted - partition);
    if (partition > 0 ? updatedReplicas >= toUpdate : currentRevision === updateRevision) return ready;
    return waitingForPods(view, `${updatedReplicas} of ${toUpdate} pods are updated`);
  },
};

export const daemonSet: Rule = {
  related: podsOf,
  judge(view) {
    const { object } = view;
    const { updateStrategy = {} } = partOf<Spec>(object, "spec");
    const counts = partOf<Counts>(object, "status");
    const { desiredNumberScheduled: wanted = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = counts;
    if (!isObserved(object)) return unobserved;
    if (updateStrategy.type !== "OnDelete" && updatedNumberScheduled < wanted) {
      return waitingForPods(view, `${updatedNumberScheduled} of ${wanted} pods are updated`);
    }
    return numberAvailable >= wanted ? ready : waitingForPods(view, `${numberAvailable} of ${wanted} pods are ready`);
  },
};

export const replicaSet: Rule = {
  related: podsOf,
  judge(view) {
    const { replicas: wanted = 1 } = partOf<Spec>(view.object, "spec");
    const { availableReplicas = 0 } = partOf<Counts>(view.object, "status");
    if (!isObserved(view.object)) return unobserved;
    return availableReplicas >= wanted
      ? ready
      : waitingForPods(view, `${availableReplicas} of ${wanted} pods are ready`);
  },
};

/** Ready when it is through: whoever only wants it started asks with pulumi.com/skipAwait. */
export const job: Rule = {
  related: podsOf,
  judge(view) {
    const { object } = view;
    if (partOf<Spec>(object, "spec").suspend === true || conditionOf(object, "Complete")?.status === "True")
      return ready;
    const failure = conditionOf(object, "Failed");
    if (failure?.status === "True") {
      const { reasons } = troubleOf(currentPods(view), view.nowMs);
      return failed(failure.message ?? failure.reason ?? "the job failed", ...reasons);
    }
    return waitingForPods(view, "the job has not completed");
  },
};

export const pod: Rule = {
  judge({ object, nowMs }) {
    const { phase = "Pending", message = "" } = partOf<PodStatus>(object, "status");
    if (phase === "Succeeded" || conditionOf(object, "Ready")?.status === "True") return ready;
    const { reasons, isFinal, againInMs } = troubleOf([object], nowMs);
    if (phase === "Failed" || isFinal) return failed(...(reasons.length > 0 ? reasons : [message || "the pod failed"]));
    return {
      state: "waiting",
      reasons: reasons.length > 0 ? reasons : [`the pod is ${phase}`],
      ...(againInMs !== undefined && { againInMs }),
    };
  },
};
