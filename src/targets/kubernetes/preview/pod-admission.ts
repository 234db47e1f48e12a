import type { Properties } from "../../../engine/provider.ts";
import { containsUnknown, isMap } from "../../../engine/value/value.ts";
import { ClusterError } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KindName, KubeObject } from "../cluster/object.ts";
import { mapAt } from "../provider/manifest.ts";

interface Asking {
  readonly kind: KindName;
  /** Of what makes the pods, as it is applied. */
  readonly inputs: Properties;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

const makers = new Set(["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]);

/**
 * Pod security, quotas and limits have their say when pods are made, long after their maker was accepted: asks by a dry
 * run about one pod that is never made. Throws what would refuse every pod; says what may pass.
 */
export async function askAboutPod(cluster: Cluster, { kind, inputs, signal, onProgress }: Asking): Promise<void> {
  const pod = podOf(kind, inputs);
  if (pod === null) return;
  try {
    await cluster.apply(pod, { signal, dryRun: true });
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    // Its namespace may be made by the same program.
    if (error.status === 404) return;
    const { message } = error;
    if (isForGood(error)) throw error;
    if (!isOwnLack.test(message)) onProgress(`its pods would not be let in now: ${message}`);
  }
}

/** Null: it makes no pods, or it is not known yet which. */
function podOf({ kind }: KindName, inputs: Properties): KubeObject | null {
  const { template } = mapAt(inputs, "spec");
  if (!makers.has(kind) || !isMap(template) || containsUnknown(template)) return null;
  const { name = "", namespace } = mapAt(inputs, "metadata") as { readonly name?: string; readonly namespace?: string };
  const metadata = {
    ...mapAt(template, "metadata"),
    ...(namespace !== undefined && { namespace }),
    name: `${name}-waybill-dry-run`,
  };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: mapAt(template, "spec") };
}

/**
 * All of these are answered as "Forbidden", and only the text tells them apart: pod security and limits look at the pod
 * alone and say the same tomorrow; a quota has room again when others leave, and an account may be made by the same
 * program. What a policy or a webhook denies is denied (k8s.io/apiserver/pkg/admission and k8s.io/pod-security-admission).
 */
const forGood =
  /violates PodSecurity|(?:maximum|minimum) \S+ (?:usage|limit|request)|admission webhook "[^"]*" denied|ValidatingAdmissionPolicy '[^']*' .*denied/;
const isForGood = ({ status, message }: ClusterError): boolean =>
  status === 422 || (status >= 400 && status < 500 && forGood.test(message));

/** Waybill itself may not make pods, only what makes them: then nobody can be asked. */
const isOwnLack = /cannot (?:patch|create) resource "pods"|error looking up service account/;
