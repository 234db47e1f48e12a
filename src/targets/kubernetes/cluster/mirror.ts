import type { KubeObject, WatchEvent } from "./object.ts";

export type Change<Kind extends KubeObject = KubeObject> =
  | { readonly type: "set"; readonly object: Kind; readonly before: Kind | null }
  | { readonly type: "removed"; readonly object: Kind };

/** The objects of a selection as they were last told of, and a call for each change. */
export interface Mirror<Kind extends KubeObject> {
  /** A list tells of what went by leaving it out. */
  replace(items: readonly Kind[]): void;
  take(event: WatchEvent<Kind>): void;
  all(): readonly Kind[];
  get(name: string, namespace?: string): Kind | undefined;
}

export interface MirrorOptions<Kind extends KubeObject> {
  /** One call per object that came, changed or went, also for those found when a list is read again. Must not throw. */
  readonly onChange?: (change: Change<Kind>) => void;
  /** Whether an object is one of them, beside what the selection says. */
  readonly isMeant?: (object: Kind) => boolean;
  /** What is kept of an object. Default: all but `metadata.managedFields`. */
  readonly trim?: (object: Kind) => Kind;
}

const keyOf = (name: string, namespace = ""): string => `${namespace}/${name}`;

export function makeMirror<Kind extends KubeObject>(options: MirrorOptions<Kind>): Mirror<Kind> {
  const { trim = withoutManagedFields, isMeant = () => true, onChange } = options;
  const known = new Map<string, Kind>();
  function set(whole: Kind): void {
    const object = trim(whole);
    const key = keyOf(object.metadata.name, object.metadata.namespace);
    const before = known.get(key) ?? null;
    known.set(key, object);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    onChange?.({ type: "set", object, before });
  }
  function remove(whole: Kind): void {
    const key = keyOf(whole.metadata.name, whole.metadata.namespace);
    if (known.delete(key)) onChange?.({ type: "removed", object: trim(whole) });
  }
  return {
    replace(listed) {
      const items = listed.filter(isMeant);
      const kept = new Set(items.map(({ metadata }) => keyOf(metadata.name, metadata.namespace)));
      for (const [key, object] of known) if (!kept.has(key)) remove(object);
      for (const item of items) set(item);
    },
    take({ type, object }) {
      if (type === "BOOKMARK") return;
      if (type === "DELETED" || !isMeant(object)) remove(object);
      else set(object);
    },
    all: () => [...known.values()],
    get: (name, namespace) => known.get(keyOf(name, namespace)),
  };
}

function withoutManagedFields<Kind extends KubeObject>(object: Kind): Kind {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}
