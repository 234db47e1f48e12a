import type { CommitSha } from "../../core/names.ts";
import type { Failures } from "../store.ts";
import { fold, isMove, keptBy } from "./fold.ts";
import { trailerNames, type Snapshot } from "./snapshot.ts";

/** What was live once and may be returned to. */
export interface LiveState {
  /** The snapshot whose commit it is. */
  readonly snapshot: Snapshot;
  /** Snapshots that single deployments followed instead, by name, when it was live last. */
  readonly exceptions: ReadonlyMap<string, Snapshot>;
}

export interface RollbackTarget {
  /** Null: there is nothing to go back to. */
  readonly target: LiveState | null;
  /** Later ones that failed when they were deployed, newest first. */
  readonly passedOver: readonly FailedSnapshot[];
}

export interface FailedSnapshot {
  readonly snapshot: Snapshot;
  readonly deployments: readonly string[];
}

/**
 * What a rollback returns to: the newest of what was live before, not taken back since, other than what is live, and
 * without a deployment that failed there; with `only`, all that as that deployment saw it.
 * Rolling back twice goes two steps back and never forth again.
 */
export function rollbackTarget(
  snapshots: readonly Snapshot[],
  only: string | null,
  failures: Failures,
): RollbackTarget {
  const steps = stepsOf(snapshots, only);
  const live = steps.at(-1);
  if (!live) return { target: null, passedOver: [] };
  const candidates = steps
    .filter((step) => !isSameState(step, live))
    .toReversed()
    .map((step) => ({ step, deployments: failedIn(failures, step, only) }));
  const at = candidates.findIndex(({ deployments }) => deployments.length === 0);
  const passedOver = at < 0 ? candidates : candidates.slice(0, at);
  return {
    target: candidates[at]?.step ?? null,
    passedOver: passedOver.map(({ step, deployments }) => ({ snapshot: step.snapshot, deployments })),
  };
}

/** What was live when this commit was the last time; null: it never was, or was taken back. */
export const stateOn = (snapshots: readonly Snapshot[], commit: CommitSha): LiveState | null =>
  stepsOf(snapshots, null).findLast(({ snapshot }) => snapshot.commit === commit) ?? null;

/** What is live by these; null before the first. */
export function liveState(snapshots: readonly Snapshot[]): LiveState | null {
  const { base, exceptions } = fold(snapshots);
  return base && { snapshot: base, exceptions };
}

/** What was live when the snapshot was the newest; null without it. */
export const stateAt = (snapshots: readonly Snapshot[], number: number): LiveState | null =>
  snapshots.some((snapshot) => snapshot.number === number)
    ? liveState(snapshots.filter((snapshot) => snapshot.number <= number))
    : null;

/** For one deployment, what it follows is all there is. */
export const asSeenBy = (only: string | null, state: LiveState | null): LiveState | null =>
  state && only !== null ? { snapshot: state.exceptions.get(only) ?? state.snapshot, exceptions: new Map() } : state;

/** The trailer of a tag on the state's commit that brings back the rest of it. */
export function keptTrailer({ exceptions }: LiveState): Readonly<Record<string, string>> {
  const tags = [...exceptions.values()].map(({ tag }) => tag);
  return tags.length === 0 ? {} : { [trailerNames.keeps]: tags.join(", ") };
}

/** `waybill/production/2, where web and 3 more failed` */
export const passedOverWords = ({ snapshot, deployments }: FailedSnapshot): string =>
  `${snapshot.tag}, where ${list(deployments)} failed`;

/** `web, api and 3 more`: a tag's trailer is one line. */
function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}

/** Whether the same would run. */
export function isSameState(one: LiveState, other: LiveState): boolean {
  const names = [...one.exceptions.keys(), ...other.exceptions.keys(), ""];
  return names.every((name) => commitIn(one, name) === commitIn(other, name));
}

const commitIn = ({ snapshot, exceptions }: LiveState, deployment: string): CommitSha =>
  (exceptions.get(deployment) ?? snapshot).commit;

interface Step extends LiveState {
  /** The tag by which it went live last. */
  readonly by: Snapshot;
}

/** What went live one on top of the other, the oldest first, without what was taken back; the last one is live. */
function stepsOf(snapshots: readonly Snapshot[], only: string | null): readonly Step[] {
  const moves = snapshots.filter(isMove).toSorted((a, b) => a.number - b.number);
  const deploys = moves.filter(({ kind, only: one }) => kind === "deploy" && (one === null || one === only));
  let steps: readonly Step[] = [];
  for (const move of moves) {
    if (move.only === null || move.only === only) steps = [...below(steps, move), stepOf(move)];
    else if (only === null) steps = withException(steps, move, move.only);
  }
  return steps;

  function stepOf(move: Snapshot): Step {
    const kept = move.only === null ? keptBy(move, moves) : new Map<string, Snapshot>();
    if (only === null) return { snapshot: originOf(move, move) ?? move, by: move, exceptions: kept };
    const followed = kept.get(only) ?? move;
    return { snapshot: originOf(move, followed) ?? followed, by: followed, exceptions: new Map() };
  }

  /** The deploy that a tag returns to. */
  function originOf(move: Snapshot, { commit }: Snapshot): Snapshot | undefined {
    return move.kind === "deploy" ? move : deploys.findLast((one) => one.number < move.number && one.commit === commit);
  }

  /** What lies under it: a revert takes back all that came after the deploy that it returns to, and that one stands anew. */
  function below(known: readonly Step[], move: Snapshot): readonly Step[] {
    if (move.kind === "deploy") return known;
    const { snapshot } = stepOf(move);
    if (snapshot.kind === "revert") return known.slice(0, -1);
    return known.filter((step) => step.snapshot.number < snapshot.number);
  }
}

function withException(steps: readonly Step[], move: Snapshot, deployment: string): readonly Step[] {
  const last = steps.at(-1);
  if (!last) return steps;
  return [...steps.slice(0, -1), { ...last, exceptions: new Map([...last.exceptions, [deployment, move]]) }];
}

/** Of each deployment counts what it followed. */
function failedIn(failures: Failures, { by, exceptions }: Step, only: string | null): readonly string[] {
  const names = (failures.get(by.number) ?? []).filter((name) => !exceptions.has(name));
  const excepted = [...exceptions].flatMap(([name, { number }]) =>
    (failures.get(number) ?? []).includes(name) ? [name] : [],
  );
  return [...names, ...excepted].filter((name) => only === null || name === only);
}
