import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { isStatus } from "../cluster/cluster-error.ts";
import { titleOf, type KubeObject, type ObjectReference } from "../cluster/object.ts";
import type { SharedInformers } from "../cluster/shared-informers.ts";
import { awaitGone } from "../readiness/await-gone.ts";
import type { Wishes } from "./annotations.ts";
import { isBuiltInGroup } from "./token.ts";

interface Deletion extends Wishes {
  readonly reference: ObjectReference;
  /** Another object of that name is none of ours. */
  readonly uid: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

interface DeletionDependencies {
  readonly cluster: Cluster;
  readonly informers: SharedInformers;
  readonly clock: Clock;
}

// What these own must be gone with them: a name, a volume or a GPU is free only then.
const owners = new Set([
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "ReplicationController",
  "Job",
  "CronJob",
]);

/** Deletes an object and waits until it is gone. One that is gone already is fine. */
export async function deleteObject(dependencies: DeletionDependencies, deletion: Deletion): Promise<void> {
  const { reference, uid, signal, skipAwait, leavesWithPods } = deletion;
  if (leavesWithPods !== null && (await leaveToPods(dependencies.cluster, deletion, leavesWithPods))) return;
  const propagation = deletion.propagation ?? (isOwner(reference) ? "Foreground" : "Background");
  const options = { signal, propagation, ...(uid !== undefined && { uid }) };
  const outcome = await dependencies.cluster.delete(reference, options);
  if (outcome === "going" && !skipAwait) await untilGone(dependencies, deletion);
}

const leavingManager = "waybill-leaving";

/**
 * Gives an object to the pods that rely on it: Kubernetes deletes what all owners have left
 * (https://kubernetes.io/docs/concepts/architecture/garbage-collection/). False: none of them is left.
 */
async function leaveToPods(
  cluster: Cluster,
  { reference, uid, signal }: Pick<Deletion, "reference" | "uid" | "signal">,
  labelSelector: string,
): Promise<boolean> {
  const { namespace, name, apiVersion, kind } = reference;
  if (namespace === undefined || uid === undefined) return false;
  const { items } = await cluster.list({ apiVersion: "v1", kind: "Pod", namespace, labelSelector }, signal);
  const ownerReferences = items.flatMap(({ metadata: { name: pod, uid: podUid } }) =>
    podUid === undefined ? [] : [{ apiVersion: "v1", kind: "Pod", name: pod, uid: podUid }],
  );
  if (ownerReferences.length === 0) return false;
  const object = { apiVersion, kind, metadata: { name, namespace, uid, ownerReferences } };
  try {
    await cluster.apply(object, { signal, fieldManager: leavingManager });
  } catch (error) {
    // It is gone, or another one has its name.
    if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
  }
  return true;
}

/** An object that is wanted again while pods still keep it is its own again. */
export async function keepFromPods(cluster: Cluster, { apiVersion, kind, metadata }: KubeObject, signal: AbortSignal) {
  const { name, namespace, uid, ownerReferences = [] } = metadata;
  if (ownerReferences.length === 0 || namespace === undefined || uid === undefined) return;
  const object = { apiVersion, kind, metadata: { name, namespace, uid } };
  await cluster.apply(object, { signal, fieldManager: leavingManager });
}

type Going = Pick<Deletion, "reference" | "uid" | "signal" | "timeoutMs" | "onProgress">;

/** Resolves when the object is gone. Throws CLUSTER_CONFLICT with what holds it back when it does not go. */
export async function untilGone(dependencies: DeletionDependencies, going: Going): Promise<void> {
  const rest = await awaitGone(dependencies, going);
  if (rest === null) return;
  going.signal.throwIfAborted();
  const seconds = Math.round(going.timeoutMs / 1_000);
  throw new WaybillError(
    "CLUSTER_CONFLICT",
    `${titleOf(going.reference)} is still being deleted after ${seconds} s: ${holders(rest)}`,
  );
}

const isOwner = ({ apiVersion, kind }: ObjectReference): boolean => !isBuiltInGroup(apiVersion) || owners.has(kind);

interface Ending {
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly conditions?: readonly { readonly status: string; readonly message?: string }[] };
}

/** Who has yet to agree, and what they say about it. */
function holders(object: KubeObject): string {
  const { spec, status } = object as Ending;
  const finalizers = [...(object.metadata.finalizers ?? []), ...(spec?.finalizers ?? [])];
  const held = finalizers.length > 0 ? `held by its finalizers ${finalizers.join(", ")}` : "its end has not been seen";
  const said = (status?.conditions ?? []).filter(({ status: state }) => state === "True").map(({ message }) => message);
  return [held, ...said.filter((text) => text !== undefined && text !== "")].join("; ");
}
