import { conflictsIn } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/object.ts";
import { fieldManager } from "./manifest.ts";

interface Overriding {
  readonly signal: AbortSignal;
  readonly dryRun?: boolean;
  readonly onProgress: (message: string) => void;
}

/** Applies an object. Fields that someone else has are taken over, and that is said: the file is what counts. */
export async function applyOver(cluster: Cluster, object: KubeObject, options: Overriding): Promise<KubeObject> {
  const { signal, dryRun = false, onProgress } = options;
  try {
    return await cluster.apply(object, { signal, dryRun, fieldManager, force: false });
  } catch (error) {
    const conflicts = conflictsIn(error);
    if (conflicts.length === 0) throw error;
    const taken = conflicts.map(({ field, message }) => `${field} (${message})`).join(", ");
    onProgress(`${dryRun ? "would take over" : "taking over"} what others changed: ${taken}`);
    return cluster.apply(object, { signal, dryRun, fieldManager, force: true });
  }
}
