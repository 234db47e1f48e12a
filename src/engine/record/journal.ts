import type { PendingOperation, ResourceState } from "../state.ts";
import type { Json } from "../provider.ts";
import { isEqual } from "../value/value.ts";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * The stack's resources while an operation is under way. Each effect is noted before (`begin`) and after (`end`). The
 * first note is stored before the effect; the second one with the next note, or soon: without it the effect is found
 * to be unfinished, and recovery asks the provider. Notes that come while one is being stored are stored together.
 *
 * Order matters in the format: what a resource depends on stands before it. Resources that this operation is through
 * with come first, in the order in which they got there; the others follow in their old order.
 *
 * A resource's state is a value. Whoever holds one may find that it was changed meanwhile (a resource that it refers to
 * was renamed); the older value still names the same resource here.
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
  /** Changes a resource where it stands. Whether it was gone through already does not change. */
  amend(resource: ResourceState, change: Partial<ResourceState>): void;
  /** Adds a resource of an earlier apply, still to be gone through. */
  append(resource: ResourceState): void;
  /** Gives a resource another URN, also where others refer to it. */
  rename(resource: ResourceState, urn: string): ResourceState;
  /** Notes what is about to be done. Stored before this returns. */
  begin(operation: PendingOperation): Promise<void>;
  /**
   * The same for an effect that is repeated after any crash: stored before this returns, unless what is stored says
   * already that something is unfinished.
   */
  join(operation: PendingOperation): Promise<void>;
  /** The effect is over: `change` says with what. Stored before the next effect begins, and soon. */
  end(operation: PendingOperation, change: () => void): void;
  /** Stores what is not stored yet; nothing when nothing changed. */
  flush(): Promise<void>;
}

type Save = (checkpoint: Checkpoint) => Promise<void>;

export function makeJournal(from: Checkpoint, save: Save): Journal {
  let remaining: readonly ResourceState[] = from.resources;
  let done: readonly ResourceState[] = [];
  const pending = new Set<PendingOperation>(from.pending);
  let isNoted = false;
  const saver = makeSaver(async () => {
    const saved = { resources: [...done, ...remaining], pending: [...pending] };
    await save(saved);
    isNoted = saved.pending.length > 0;
  });

  const { touch, flush } = saver;
  const successors = new WeakMap<ResourceState, ResourceState>();
  const latest = (resource: ResourceState): ResourceState => {
    const successor = successors.get(resource);
    return successor ? latest(successor) : resource;
  };
  const amend = (resource: ResourceState, change: Partial<ResourceState>): ResourceState => {
    const old = latest(resource);
    const next = { ...old, ...change };
    if (isSame(old, next)) return old;
    successors.set(old, next);
    remaining = remaining.map((other) => (other === old ? next : other));
    done = done.map((other) => (other === old ? next : other));
    touch();
    return next;
  };
  return {
    find: (urn) => remaining.find((resource) => resource.urn === urn && resource.delete !== true),
    remaining: () => remaining,
    all: () => [...done, ...remaining],
    settle: (resource, next) => {
      const old = resource && latest(resource);
      if (old !== null) remaining = remaining.filter((other) => other !== old);
      if (next !== null) done = [...done, next];
      if (!isSame(old, next)) touch();
    },
    amend: (resource, change) => void amend(resource, change),
    append: (resource) => {
      remaining = [...remaining, resource];
      touch();
    },
    rename: (resource, urn) => {
      for (const other of remaining) {
        // A former self that waits for its deletion is renamed along: what still refers to it does too.
        const isFormerSelf = other.urn === resource.urn && other !== latest(resource);
        amend(other, { ...referring(other, resource.urn, urn), ...(isFormerSelf && { urn }) });
      }
      return amend(resource, { urn });
    },
    ...makeNotes(pending, { ...saver, isNoted: () => isNoted }),
    flush,
  };
}

interface Noting extends Saver {
  /** Whether what is stored says that something is unfinished. */
  readonly isNoted: () => boolean;
}

function makeNotes(
  pending: Set<PendingOperation>,
  { touch, flush, flushSoon, isSaving, isNoted }: Noting,
): Pick<Journal, "pending" | "begin" | "join" | "end"> {
  return {
    pending: () => [...pending],
    begin: (operation) => {
      pending.add(operation);
      touch();
      return flush();
    },
    join: async (operation) => {
      pending.add(operation);
      touch();
      if (!isNoted() || isSaving()) await flush();
    },
    end: (operation, change) => {
      pending.delete(operation);
      change();
      touch();
      flushSoon();
    },
  };
}

interface Saver {
  readonly touch: () => void;
  readonly flush: () => Promise<void>;
  readonly flushSoon: () => void;
  readonly isSaving: () => boolean;
}

// A program's next resource comes within this time as a rule, and takes the note along.
const soonMs = 50;

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
  let timer: NodeJS.Timeout | null = null;
  return {
    touch: () => {
      version++;
    },
    flush: () => flushTo(version),
    isSaving: () => running !== null,
    flushSoon: () => {
      timer ??= setTimeout(() => {
        timer = null;
        // Whoever begins or ends anything after a failed save hears of it.
        flushTo(version).catch(() => undefined);
      }, soonMs).unref();
    },
  };
}

const isSame = (left: ResourceState | null, right: ResourceState | null): boolean =>
  isEqual(left as unknown as Json, right as unknown as Json);

/** What changes in a resource when another one is renamed. */
function referring(resource: ResourceState, from: string, to: string): Partial<ResourceState> {
  const { parent, dependencies, provider, propertyDependencies } = resource;
  const swap = (urn: string): string => (urn === from ? to : urn);
  return {
    ...(parent !== undefined && { parent: swap(parent) }),
    ...(dependencies && { dependencies: dependencies.map(swap) }),
    ...(provider?.startsWith(`${from}::`) && { provider: to + provider.slice(from.length) }),
    ...(propertyDependencies && {
      propertyDependencies: Object.fromEntries(
        Object.entries(propertyDependencies).map(([key, urns]) => [key, urns?.map(swap) ?? null]),
      ),
    }),
  };
}
