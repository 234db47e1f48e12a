import type { Snapshot } from "./snapshot.ts";

/** What an environment's tags say should be so: the only source of desired state. */
export interface Folded {
  /** The snapshot that the environment follows; null before the first. */
  readonly base: Snapshot | null;
  /** Deployments that follow another snapshot than `base`, by name. */
  readonly exceptions: ReadonlyMap<string, Snapshot>;
  readonly hold: Hold | null;
  /** The greatest number among the tags; 0 without one. */
  readonly highest: number;
}

export interface Hold {
  readonly by: string;
  readonly reason: string;
  readonly since: Date;
}

/**
 * The newest tag for all deployments is the base; newer tags for one deployment, and those that the base says it keeps,
 * are exceptions to it.
 * The newest tag alone decides whether the environment is held, so that whatever a person does last counts.
 */
export function fold(snapshots: readonly Snapshot[]): Folded {
  const newestFirst = snapshots.toSorted((a, b) => b.number - a.number);
  const moves = newestFirst.filter(isMove);
  const base = moves.find(({ only }) => only === null) ?? null;
  const exceptions = new Map<string, Snapshot>();
  for (const snapshot of moves) {
    if (snapshot === base) break;
    if (snapshot.only !== null && !exceptions.has(snapshot.only)) exceptions.set(snapshot.only, snapshot);
  }
  for (const [name, kept] of base ? keptBy(base, moves) : []) if (!exceptions.has(name)) exceptions.set(name, kept);
  const newest = newestFirst[0];
  return { base, exceptions, hold: newest ? holdOf(newest) : null, highest: newest?.number ?? 0 };
}

/** By deployment: the tags that one keeps. One that is gone, or is none for a single deployment, is passed over. */
export function keptBy({ keeps, number }: Snapshot, snapshots: readonly Snapshot[]): ReadonlyMap<string, Snapshot> {
  if (keeps.length === 0) return new Map();
  const kept = snapshots.filter((one) => one.number < number && keeps.includes(one.tag) && isMove(one));
  const ordered = kept.toSorted((a, b) => a.number - b.number);
  return new Map(ordered.flatMap((one) => (one.only === null ? [] : [[one.only, one] as const])));
}

/** Whether it changes what runs. */
export const isMove = ({ kind }: Snapshot): boolean => kind === "deploy" || kind === "revert";

function holdOf(newest: Snapshot): Hold | null {
  switch (newest.kind) {
    case "hold":
      return { by: newest.actor, reason: newest.reason || "held by hand", since: newest.at };
    case "revert":
      return { by: newest.actor, reason: newest.reason || `rolled back by ${newest.tag}`, since: newest.at };
    case "deploy":
    case "release":
      return null;
    default:
      return newest.kind satisfies never;
  }
}
