import type { Properties } from "../../../engine/provider.ts";
import { covers, parsePath } from "../../../engine/value/property-path.ts";
import { mapAt } from "./manifest.ts";

/** Fields of a kind that the API server refuses to change: all `fixed`, but those under `free`. */
interface Immutability {
  readonly fixed: readonly string[];
  readonly free?: readonly string[];
}

// As the API server's own validation of updates has them (pkg/apis/*/validation in kubernetes/kubernetes).
const byKind: Readonly<Record<string, Immutability>> = {
  Deployment: { fixed: ["spec.selector"] },
  ReplicaSet: { fixed: ["spec.selector"] },
  DaemonSet: { fixed: ["spec.selector"] },
  StatefulSet: {
    fixed: ["spec"],
    free: [
      "spec.replicas",
      "spec.ordinals",
      "spec.template",
      "spec.updateStrategy",
      "spec.revisionHistoryLimit",
      "spec.persistentVolumeClaimRetentionPolicy",
      "spec.minReadySeconds",
    ],
  },
  Job: {
    fixed: [
      "spec.selector",
      "spec.template",
      "spec.completions",
      "spec.completionMode",
      "spec.podFailurePolicy",
      "spec.successPolicy",
      "spec.backoffLimitPerIndex",
      "spec.podReplacementPolicy",
      "spec.managedBy",
    ],
  },
  Pod: {
    fixed: ["spec"],
    free: [
      "spec.containers[*].image",
      "spec.initContainers[*].image",
      "spec.activeDeadlineSeconds",
      "spec.terminationGracePeriodSeconds",
      "spec.tolerations",
      "spec.schedulingGates",
    ],
  },
  Service: { fixed: ["spec.clusterIP", "spec.clusterIPs"] },
  PersistentVolumeClaim: {
    fixed: ["spec"],
    free: ["spec.resources.requests", "spec.resources.limits", "spec.volumeAttributesClassName"],
  },
  PersistentVolume: {
    fixed: ["spec.csi", "spec.hostPath", "spec.local", "spec.nfs", "spec.volumeMode", "spec.nodeAffinity"],
  },
  StorageClass: { fixed: ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"] },
  Secret: { fixed: ["type"] },
  RoleBinding: { fixed: ["roleRef"] },
  ClusterRoleBinding: { fixed: ["roleRef"] },
  IngressClass: { fixed: ["spec.controller"] },
  PriorityClass: { fixed: ["value", "preemptionPolicy"] },
  RuntimeClass: { fixed: ["handler"] },
  EndpointSlice: { fixed: ["addressType"] },
};

const contentKinds = new Set(["ConfigMap", "Secret"]);
const sealed: Immutability = { fixed: ["data", "binaryData", "stringData", "immutable"] };

/** Those of the changed paths that can only change by making another object. */
export function immutablePaths(kind: string, changed: readonly string[], oldInputs: Properties): readonly string[] {
  const rules = [byKind[kind], contentKinds.has(kind) && oldInputs["immutable"] === true ? sealed : undefined];
  return changed.filter((path) => rules.some((rule) => rule !== undefined && isFixed(rule, path, oldInputs)));
}

/** Whether the table knows all there is to know: of other kinds only the API server does. */
export const isKnownKind = (kind: string): boolean => Object.hasOwn(byKind, kind) || plainKinds.has(kind);

// Nothing in these is immutable, but for what `immutable: true` seals.
const plainKinds = new Set([
  "ConfigMap",
  "CronJob",
  "HorizontalPodAutoscaler",
  "Ingress",
  "LimitRange",
  "Namespace",
  "NetworkPolicy",
  "PodDisruptionBudget",
  "ResourceQuota",
  "Role",
  "ClusterRole",
  "ServiceAccount",
]);

function isFixed({ fixed, free = [] }: Immutability, path: string, oldInputs: Properties): boolean {
  const parsed = parsePath(path);
  if (parsed === null) return false;
  const isUnder = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => {
      const wanted = parsePath(pattern);
      return wanted !== null && covers(wanted, parsed);
    });
  // An address that was never asked for was given by the cluster, and may be asked for now only if it is the same.
  if (path.startsWith("spec.clusterIP") && mapAt(oldInputs, "spec")["clusterIP"] === undefined) return false;
  return isUnder(fixed) && !isUnder(free);
}
