import type { KindName } from "./object.ts";

/** Where objects of one kind are, as the API server says. */
export interface Resource extends KindName {
  /** `deployments`, as paths and permissions name it. */
  readonly plural: string;
  readonly isNamespaced: boolean;
}

/** Which kinds a cluster serves. Asked for a group at a time, and kept. */
export interface Discovery {
  /** Null: the cluster serves no such kind now. A kind that was not there is asked for again. */
  find(name: KindName, signal: AbortSignal): Promise<Resource | null>;
}

export interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

export function makeDiscovery(read: (path: string, signal: AbortSignal) => Promise<ResourceList | null>): Discovery {
  const groups = new Map<string, Promise<ReadonlyMap<string, Resource>>>();

  async function load(apiVersion: string, signal: AbortSignal): Promise<ReadonlyMap<string, Resource>> {
    const list = await read(groupPath(apiVersion), signal);
    // A name with a slash is part of another: `deployments/scale`.
    const main = (list?.resources ?? []).filter(({ name }) => !name.includes("/"));
    return new Map(
      main.map(({ name, kind, namespaced }) => [kind, { apiVersion, kind, plural: name, isNamespaced: namespaced }]),
    );
  }
  function group(apiVersion: string, signal: AbortSignal): Promise<ReadonlyMap<string, Resource>> {
    const known = groups.get(apiVersion);
    if (known) return known;
    const loading = load(apiVersion, signal);
    groups.set(apiVersion, loading);
    loading.catch(() => groups.delete(apiVersion));
    return loading;
  }
  return {
    async find({ apiVersion, kind }, signal) {
      const known = (await group(apiVersion, signal)).get(kind);
      if (known) return known;
      // Its definition may have been created since.
      groups.delete(apiVersion);
      return (await group(apiVersion, signal)).get(kind) ?? null;
    },
  };
}

/** `/api/v1` for the core group, `/apis/GROUP/VERSION` for the others. */
export const groupPath = (apiVersion: string): string =>
  apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
