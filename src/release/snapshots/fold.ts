import type { Failures } from "../store.ts";
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
 * The newest tag for all deployments is the base; newer tags for one deployment are exceptions to it.
 * The newest tag alone decides whether the environment is held, so that whatever a person does last counts.
 */
export function fold(snapshots: readonly Snapshot[]): Folded {
  const newestFirst = snapshots.toSorted((a, b) => b.number - a.number);
  const moves = newestFirst.filter(({ kind }) => kind === "deploy" || kind === "revert");
  const base = moves.find(({ only }) => only === null) ?? null;
  const exceptions = new Map<string, Snapshot>();
  for (const snapshot of moves) {
    if (snapshot === base) break;
    if (snapshot.only !== null && !exceptions.has(snapshot.only)) exceptions.set(snapshot.only, snapshot);
  }
  const newest = newestFirst[0];
  return { base, exceptions, hold: newest ? holdOf(newest) : null, highest: newest?.number ?? 0 };
}

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

export interface RollbackTarget {
  /** Null: there is nothing to go back to. */
  readonly target: Snapshot | null;
  /** Later ones that failed when they were deployed, newest first. */
  readonly passedOver: readonly FailedSnapshot[];
}

export interface FailedSnapshot {
  readonly snapshot: Snapshot;
  readonly deployments: readonly string[];
}

/**
 * The snapshot that a rollback returns to: the newest one on another commit, older than what is live, whose deploy did
 * not fail; with `only`, did not fail for that deployment.
 * Reverts, and what they took back, are passed over: rolling back twice goes two steps back and never forth again.
 */
export function rollbackTarget(
  snapshots: readonly Snapshot[],
  only: string | null,
  failures: Failures,
): RollbackTarget {
  const folded = fold(snapshots);
  const live = (only === null ? null : folded.exceptions.get(only)) ?? folded.base;
  if (!live) return { target: null, passedOver: [] };
  const deploys = snapshots.filter(({ kind, only: one }) => kind === "deploy" && (one === null || one === only));
  const origin = deploys.filter(({ commit }) => commit === live.commit).map(({ number }) => number);
  const before = origin.length > 0 ? Math.max(...origin) : live.number;
  const takenBack = new Set(snapshots.map(({ reverts }) => reverts));
  const candidates = deploys
    .filter(({ tag, number, commit }) => number < before && commit !== live.commit && !takenBack.has(tag))
    .toSorted((a, b) => b.number - a.number)
    .map((snapshot) => ({ snapshot, deployments: failedIn(failures, snapshot, only) }));
  const at = candidates.findIndex(({ deployments }) => deployments.length === 0);
  return {
    target: candidates[at]?.snapshot ?? null,
    passedOver: at < 0 ? candidates : candidates.slice(0, at),
  };
}

const failedIn = (failures: Failures, { number }: Snapshot, only: string | null): readonly string[] =>
  (failures.get(number) ?? []).filter((name) => only === null || name === only);
