/** Objects as the cluster's API has them: JSON, times as text. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

export interface OwnerReference {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

/** Which kind: `{apiVersion: "apps/v1", kind: "Deployment"}`. */
export interface KindName {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface ObjectReference extends KindName {
  /** Absent for kinds that stand outside namespaces. */
  readonly namespace?: string;
  readonly name: string;
}

export interface KubeList<Kind extends KubeObject = KubeObject> {
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
  readonly items: readonly Kind[];
}

export type WatchEvent<Kind extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Kind }
  /** Only `metadata.resourceVersion` means something. */
  | { readonly type: "BOOKMARK"; readonly object: Kind };

export function referenceOf({ apiVersion, kind, metadata }: KubeObject): ObjectReference {
  const { namespace, name } = metadata;
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }) };
}

/** `Deployment shop/ranker`, for messages. */
export function titleOf({ kind, namespace, name }: Omit<ObjectReference, "apiVersion">): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
