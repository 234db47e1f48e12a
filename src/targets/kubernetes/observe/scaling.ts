import type { WorkloadStatus } from "../../workload.ts";
import type { KubeObject } from "../cluster/object.ts";
import type { Condition } from "./pods.ts";

/** `autoscaling/v2`, as far as it is read: https://kubernetes.io/docs/reference/kubernetes-api/ */
export interface AutoscalerObject extends KubeObject {
  readonly status?: { readonly currentReplicas?: number; readonly conditions?: readonly Condition[] };
}

/** What runs well and cannot be scaled says so: its load may grow, and its replicas will not. */
export function withScaling(status: WorkloadStatus, autoscaler: AutoscalerObject | undefined): WorkloadStatus {
  const { currentReplicas = 0, conditions = [] } = autoscaler?.status ?? {};
  const blind = conditions.find(({ type, status: is }) => type === "ScalingActive" && is === "False");
  // Asleep there is nothing to measure.
  if (status.state !== "ready" || status.reason !== "" || !blind?.message || blind.reason === "ScalingDisabled") {
    return status;
  }
  return { ...status, reason: `it stays at ${currentReplicas} replicas: ${withoutPreamble(blind.message)}` };
}

/** The autoscaler's own words about its working begin each of its messages. */
const withoutPreamble = (message: string): string =>
  message.replace(/^the HPA was unable to compute the replica count: /, "");
