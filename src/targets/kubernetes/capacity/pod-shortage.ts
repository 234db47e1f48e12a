import type { Capacity } from "./capacity.ts";
import { shortageOf } from "./shortage.ts";

/** Why a pod that waits for a place finds none, with what the cluster has and who holds it; null where it would. Pure. */
export function podShortage(
  capacity: Capacity,
  { namespace, name }: { readonly namespace?: string | undefined; readonly name: string },
): string | null {
  const pod = capacity.pods.find((each) => each.name === name && each.namespace === namespace);
  if (!pod || pod.node !== null) return null;
  // Others that wait hold nothing yet.
  const pods = capacity.pods.filter(({ node }) => node !== null);
  return shortageOf({ ...capacity, pods, quotas: [] }, [pod]);
}
