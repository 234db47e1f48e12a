import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Cluster } from "../cluster/cluster.ts";
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
  const { reference, uid, signal, skipAwait } = deletion;
  const propagation = deletion.propagation ?? (isOwner(reference) ? "Foreground" : "Background");
  const options = { signal, propagation, ...(uid !== undefined && { uid }) };
  const outcome = await dependencies.cluster.delete(reference, options);
  if (outcome === "going" && !skipAwait) await untilGone(dependencies, deletion);
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
