import type { PendingOperation, ResourceState } from "../state.ts";
import type { Json } from "../provider.ts";
import { isEqual } from "../value/value.ts";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * The stack's resources while an operation is under way. Each effect is noted before (`begin`) and after (`end`), and
 * the note is stored before the call returns; notes that come while one is being stored are stored together.
 *
 * Order matters in the format: what a resource depends on stands before it. Resources that this operation is through
 * with come first, in the order in which they got there; the others follow in their old order.
 */
export interface Journal {
  /** The resource as the last operation left it, if this one has not been through with it. */
  find(urn: string): ResourceState | undefined;
  /** What this operation has not been through with, in the format's order. */
  remaining(): readonly ResourceState[];
  all(): readonly ResourceState[];
  pending(): readonly PendingOperation[];
  /** No effect on the world: `next` takes the place of `old`. Stored with the next effect, or at the end. */
  settle(old: ResourceState | null, next: ResourceState | null): void;
  /** Puts `next` where `old` stands. Whether it was gone through already does not change. */
  amend(old: ResourceState, next: ResourceState): void;
  /** Adds a resource of an earlier apply, still to be gone through. */
  append(resource: ResourceState): void;
  /** Rewrites references to resources that changed their URN. */
  rename(from: string, to: string): void;
  /** Notes what is about to be done. Stored before this returns. */
  begin(operation: PendingOperation): Promise<void>;
  /** The effect is over: `change` says with what. Stored before this returns. */
  end(operation: PendingOperation, change: () => void): Promise<void>;
  /** Stores what is not stored yet; nothing when nothing changed. */
  flush(): Promise<void>;
}

type Save = (checkpoint: Checkpoint) => Promise<void>;

export function makeJournal(from: Checkpoint, save: Save): Journal {
  let remaining: readonly ResourceState[] = from.resources;
  let done: readonly ResourceState[] = [];
  const pending = new Set<PendingOperation>(from.pending);
  const { touch, flush } = makeSaver(() => save({ resources: [...done, ...remaining], pending: [...pending] }));

  const settle = (old: ResourceState | null, next: ResourceState | null): void => {
    if (old !== null) remaining = remaining.filter((resource) => resource !== old);
    if (next !== null) done = [...done, next];
    if (!isEqual(old as unknown as Json, next as unknown as Json)) touch();
  };
  return {
    find: (urn) => remaining.find((resource) => resource.urn === urn && resource.delete !== true),
    remaining: () => remaining,
    all: () => [...done, ...remaining],
    pending: () => [...pending],
    settle,
    amend: (old, next) => {
      if (isEqual(old as unknown as Json, next as unknown as Json)) return;
      remaining = remaining.map((resource) => (resource === old ? next : resource));
      done = done.map((resource) => (resource === old ? next : resource));
      touch();
    },
    append: (resource) => {
      remaining = [...remaining, resource];
      touch();
    },
    rename: (oldUrn, newUrn) => {
      remaining = remaining.map((resource) => renamed(resource, oldUrn, newUrn));
    },
    begin: (operation) => {
      pending.add(operation);
      touch();
      return flush();
    },
    end: (operation, change) => {
      pending.delete(operation);
      change();
      touch();
      return flush();
    },
    flush,
  };
}

interface Saver {
  readonly touch: () => void;
  readonly flush: () => Promise<void>;
}

function makeSaver(save: () => Promise<void>): Saver {
  let version = 0;
  let saved = 0;
  let running: Promise<void> | null = null;
  const write = async (): Promise<void> => {
    const target = version;
    await save();
    saved = target;
    running = null;
  };
  const flushTo = async (target: number): Promise<void> => {
    if (saved >= target) return;
    // After a failed save `running` stays, rejected: nothing more may be done, because what is stored still says what
    // was about to happen.
    running ??= write();
    await running;
    await flushTo(target);
  };
  return {
    touch: () => {
      version++;
    },
    flush: () => flushTo(version),
  };
}

function renamed(resource: ResourceState, from: string, to: string): ResourceState {
  const text = JSON.stringify([
    resource.parent,
    resource.dependencies,
    resource.provider,
    resource.propertyDependencies,
  ]);
  if (!text.includes(JSON.stringify(from).slice(1, -1))) return resource;
  const swap = (urn: string): string => (urn === from ? to : urn);
  return {
    ...resource,
    ...(resource.parent !== undefined && { parent: swap(resource.parent) }),
    ...(resource.dependencies && { dependencies: resource.dependencies.map(swap) }),
    ...(resource.provider?.startsWith(`${from}::`) && { provider: to + resource.provider.slice(from.length) }),
    ...(resource.propertyDependencies && {
      propertyDependencies: Object.fromEntries(
        Object.entries(resource.propertyDependencies).map(([key, urns]) => [key, urns?.map(swap) ?? null]),
      ),
    }),
  };
}
