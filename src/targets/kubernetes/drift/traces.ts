import type { KubeObject } from "../cluster/object.ts";
import type { ManagedFields } from "./field-tree.ts";

/** What is kept of an object to tell whether others may have changed it: thousands of them are watched. */
export interface Traces extends KubeObject {
  /** Our fields, as text, and when we wrote them last. */
  readonly own: string;
  readonly ownTime: string;
  /** Whether others wrote to it who are no part of the cluster. */
  readonly isTouched: boolean;
}

/** Those that write to every object of their kind. */
const partOfCluster = /^(?:kube-(?:controller|scheduler|apiserver)|kubelet)/;
export const isPartOfCluster = (manager = ""): boolean => partOfCluster.test(manager);

const isOurs = ({ manager = "" }: ManagedFields): boolean =>
  manager.startsWith("waybill") || manager.startsWith("pulumi");

export function tracesOf(object: KubeObject): Traces {
  const { apiVersion, kind, metadata } = object;
  const { name, namespace, uid, resourceVersion, labels, deletionTimestamp } = metadata;
  const managers = (metadata.managedFields ?? []) as readonly ManagedFields[];
  const own = managers.filter((each) => isOurs(each));
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(labels !== undefined && { labels }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    own: own.map(({ fieldsV1 }) => JSON.stringify(fieldsV1)).join(),
    ownTime: own.map(({ time = "" }) => time).join(),
    isTouched: managers.some(
      (each) => !isOurs(each) && each.subresource !== "status" && !isPartOfCluster(each.manager),
    ),
  };
}

/** Whether a change may be somebody else's. `before` is null for what is seen for the first time. */
export function isSuspicious(now: Traces, before: Traces | null): boolean {
  if (now.isTouched || now.metadata.deletionTimestamp !== undefined) return true;
  // Who only takes fields away leaves no entry, but ours gets shorter without our having written.
  return before !== null && now.own !== before.own && now.ownTime === before.ownTime;
}
