import type { KindName, KubeObject } from "../cluster/object.ts";
import { conditionOf, failed, hasLabels, partOf, ready, waiting, type Rule } from "./rule.ts";
import { daemonSet, deployment, job, pod, replicaSet, statefulSet } from "./workload-rules.ts";

interface ServiceSpec {
  readonly type: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly publishNotReadyAddresses: boolean;
}
interface Balanced {
  readonly loadBalancer: { readonly ingress?: readonly unknown[] };
}
interface Endpoint {
  readonly conditions?: { readonly ready?: boolean };
  readonly targetRef?: { readonly kind?: string; readonly name?: string };
}

const namespaceOf = ({ metadata }: KubeObject) =>
  metadata.namespace === undefined ? {} : { namespace: metadata.namespace };

const hasAddress = (object: KubeObject): boolean =>
  (partOf<Balanced>(object, "status").loadBalancer?.ingress ?? []).length > 0;

const service: Rule = {
  related: (object) => [
    { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", ...namespaceOf(object) },
    { apiVersion: "v1", kind: "Pod", ...namespaceOf(object) },
  ],
  judge({ object, related }) {
    const { type, selector = {}, publishNotReadyAddresses = false } = partOf<ServiceSpec>(object, "spec");
    if (type === "ExternalName") return ready;
    if (type === "LoadBalancer" && !hasAddress(object)) return waiting("no load balancer has given it an address");
    if (Object.keys(selector).length === 0 || publishNotReadyAddresses) return ready;
    // Of the pods that are selected now: after a change of the selector the endpoints are still those of before.
    const selected = new Set(
      related.filter((each) => each.kind === "Pod" && hasLabels(each, selector)).map(({ metadata }) => metadata.name),
    );
    const endpoints = related
      .filter((each) => hasLabels(each, { "kubernetes.io/service-name": object.metadata.name }))
      .flatMap((slice) => (slice["endpoints"] ?? []) as readonly Endpoint[]);
    const isServing = endpoints.some(
      ({ conditions, targetRef }) => conditions?.ready === true && selected.has(targetRef?.name ?? ""),
    );
    if (isServing) return ready;
    return waiting(selected.size === 0 ? "its selector finds no pod" : `none of ${selected.size} pods is ready`);
  },
};

const ingress: Rule = {
  judge: ({ object }) => (hasAddress(object) ? ready : waiting("no ingress controller has given it an address")),
};

interface ClaimSpec {
  readonly storageClassName: string;
}

const claim: Rule = {
  related: () => [{ apiVersion: "storage.k8s.io/v1", kind: "StorageClass" }],
  judge({ object, related }) {
    const { phase = "Pending" } = partOf<{ phase: string }>(object, "status");
    if (phase === "Bound") return ready;
    if (phase === "Lost") return failed("its volume is lost");
    const { storageClassName } = partOf<ClaimSpec>(object, "spec");
    const storageClass = related.find(({ metadata }) => metadata.name === storageClassName);
    // Bound when the first pod that uses it is placed, which may be declared to come after it.
    if (storageClass?.["volumeBindingMode"] === "WaitForFirstConsumer") return ready;
    if (storageClassName === undefined) return waiting("it names no storage class, and the cluster has no default");
    return waiting(
      storageClass === undefined && storageClassName !== ""
        ? `there is no storage class "${storageClassName}"`
        : "no volume is bound to it",
    );
  },
};

const withCondition = (type: string): Rule => ({
  judge({ object }) {
    const condition = conditionOf(object, type);
    if (condition?.status === "True") return ready;
    return waiting(condition?.message ?? `its condition ${type} is not met`);
  },
});

const rules: Readonly<Record<string, Rule>> = {
  "apps/v1 Deployment": deployment,
  "apps/v1 StatefulSet": statefulSet,
  "apps/v1 DaemonSet": daemonSet,
  "apps/v1 ReplicaSet": replicaSet,
  "batch/v1 Job": job,
  "v1 Pod": pod,
  "v1 Service": service,
  "v1 PersistentVolumeClaim": claim,
  "networking.k8s.io/v1 Ingress": ingress,
  "apiextensions.k8s.io/v1 CustomResourceDefinition": withCondition("Established"),
  "apiregistration.k8s.io/v1 APIService": withCondition("Available"),
};

/** Undefined: an object of this kind is ready as soon as it exists. */
export const ruleOf = ({ apiVersion, kind }: KindName): Rule | undefined => rules[`${apiVersion} ${kind}`];
