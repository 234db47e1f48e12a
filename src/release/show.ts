import { stackKey } from "../core/stack.ts";
import type { EnvironmentRef, HistoryPage } from "./release.ts";
import type { DeployJobRow, DeploymentRow, DriftRow, EnvironmentRow, SnapshotRow } from "./store.ts";
import { asSeenBy, isSameState, liveState, stateAt } from "./snapshots/back.ts";
import { fold } from "./snapshots/fold.ts";
import { presentOf } from "./snapshots/history.ts";
import { pauseWords } from "./workload.ts";
import type { DeploymentView, DriftView, EnvironmentView, PauseView, SnapshotView } from "./views.ts";

/** Rows as the outside sees them. */

export function deploymentView(
  row: DeploymentRow,
  pause: PauseView | null,
  { drifts, jobs }: { readonly drifts: readonly DriftRow[]; readonly jobs: readonly DeployJobRow[] },
): DeploymentView {
  const { stack, workload } = row;
  const drift = driftOf(drifts, stack);
  const unreachable = row.state === "ready" ? unreachableBy(drift) : null;
  return {
    repository: stack.repository,
    environment: stack.environment,
    name: stack.deployment,
    kind: row.kind,
    state: unreachable === null ? row.state : "degraded",
    reason: workload ? (unreachable ?? row.reason) || pauseReason(row, pause) : "its file is gone: it is being removed",
    snapshot: `waybill/${stack.environment}/${row.snapshot}`,
    commit: row.commit,
    url: row.url,
    description: workload?.spec.description ?? "",
    tags: workload?.spec.tags ?? {},
    updatedAt: row.updatedAt.toISOString(),
    pause,
    drift,
    deployJobs: jobs.filter((job) => stackKey(job.stack) === stackKey(stack)).map(({ stack: _stack, ...job }) => job),
  };
}

/** The target asks its pods how they are, and they do not know who leads to them. */
function unreachableBy(drift: readonly DriftView[]): string | null {
  const service = drift.find(
    ({ object, field, found }) => object.startsWith("Service ") && field === null && found === null,
  );
  return service ? `${service.object} is gone: no request reaches its pods` : null;
}

/** Of one deployment, or of what an environment's share. */
function driftOf(drifts: readonly DriftRow[], of: EnvironmentRef & { readonly deployment: string | null }) {
  const { repository, environment, deployment } = of;
  return drifts
    .filter((row) => row.repository === repository && row.environment === environment)
    .flatMap((row) => (row.deployment === deployment ? row.found : []));
}

/** From the moment on that somebody asks for it, not only once it is so. */
function pauseReason({ state }: DeploymentRow, pause: PauseView | null): string {
  return state === "paused" && pause ? pauseWords(pause) : "";
}

/**
 * Newest first. Active is what some deployment follows; held, what put the environment on hold; live, what a rollback to
 * it would not change, for one deployment where `only` names it.
 */
export function snapshotViews(
  rows: readonly SnapshotRow[],
  { before = Infinity, limit = Infinity, only = null }: HistoryPage = {},
): readonly SnapshotView[] {
  const present = presentOf(rows);
  const stateNow = asSeenBy(only, liveState(present));
  const isLive = ({ number }: SnapshotRow): boolean => {
    const then = asSeenBy(only, stateAt(present, number));
    return stateNow !== null && then !== null && isSameState(stateNow, then);
  };
  const folded = fold(present);
  const active = new Set([folded.base?.tag, ...[...folded.exceptions.values()].map(({ tag }) => tag)]);
  const newest = present.at(-1)?.tag;
  const shown = rows.filter(({ number }) => number < before).toReversed();
  return shown.slice(0, limit).map((row) => ({
    tag: row.tag,
    number: row.number,
    commit: row.commit,
    branch: row.branch,
    subject: row.subject,
    author: row.author,
    actor: row.actor,
    at: row.at.toISOString(),
    reason: row.isDeleted ? `deleted. ${row.reason}`.trim() : row.reason,
    reverts: row.reverts,
    only: row.only,
    active: active.has(row.tag) && !row.isDeleted,
    live: isLive(row),
    deleted: row.isDeleted,
    held: folded.hold !== null && row.tag === newest,
    changes: row.changes,
  }));
}

export function environmentView(
  row: EnvironmentRow,
  snapshots: readonly SnapshotRow[],
  drifts: readonly DriftRow[],
): EnvironmentView {
  const { base, hold } = fold(presentOf(snapshots));
  return {
    repository: row.repository,
    environment: row.environment,
    branch: row.branch,
    snapshot: base?.tag ?? null,
    hold: hold && { by: hold.by, reason: hold.reason, since: hold.since.toISOString() },
    waiting: row.waiting,
    drift: driftOf(drifts, { ...row, deployment: null }),
  };
}
