import type { OutputFile } from "../targets/run-executor.ts";
import type { ParameterValues, Run, RunOrigin } from "./run.ts";
import type { ChainDetail, ChainLink, RunDetail, ScheduleDetail, UpcomingRun } from "./runs.ts";
import type { RunState } from "./state.ts";

/** What the API, the dashboard and the command line show of a run: plain data, times as ISO 8601 in UTC. */
export interface RunView {
  readonly id: string;
  readonly repository: string;
  readonly environment: string;
  readonly job: string;
  readonly name: string;
  readonly state: RunState;
  readonly since: string;
  readonly reason: string;
  readonly waitingFor: string | null;
  readonly scheduledFor: string;
  readonly acceptedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly durationMs: number | null;
  readonly parameters: ParameterValues;
  readonly trigger: RunTrigger;
  /** Null but for a schedule's. */
  readonly schedule: string | null;
  /** Null but for a person's. */
  readonly actor: string | null;
  readonly rerunOf: string | null;
  readonly snapshot: number | null;
  readonly commit: string;
  readonly attempt: number;
  readonly retries: number;
  readonly exitStatus: number | null;
  readonly signal: string | null;
  readonly peakMemoryBytes: number | null;
  readonly result: unknown;
  readonly files: readonly OutputFile[];
  /** Why a job that follows it was not started after it. */
  readonly chainNote: string;
  readonly callback: { readonly url: string; readonly settled: string | null; readonly reason: string } | null;
  readonly history: readonly { readonly state: RunState; readonly since: string; readonly reason: string }[];
}

/** What started a run. */
export interface RunTrigger {
  readonly kind: "schedule" | "person" | "after" | "event" | "before-deploy" | "after-deploy";
  /** Of the schedule, the person, the entry of `after`, the event, or the deployment. */
  readonly name: string;
  /** Of the run that ended, or of the event's delivery; else null. */
  readonly id: string | null;
}

export interface ScheduleView {
  readonly name: string;
  readonly active: boolean;
  readonly pause: ScheduleDetail["pause"];
  readonly next: string | null;
}

export interface ChainLinkView {
  readonly name: string;
  /** The one at the other end. */
  readonly job: string;
  readonly states: readonly string[];
  readonly delaySeconds: number;
  readonly rest: string | null;
}

export interface ChainView {
  readonly after: readonly ChainLinkView[];
  readonly followedBy: readonly ChainLinkView[];
  readonly events: readonly string[];
}

export interface FollowerView {
  readonly id: string;
  readonly job: string;
  readonly state: RunState;
  readonly scheduledFor: string;
}

export interface UpcomingView {
  readonly schedule: string;
  readonly at: string;
  /** `cluster`: whether there is a server or not. */
  readonly firedBy: "server" | "cluster";
  readonly parameters: ParameterValues;
}

const iso = (time: Date | null): string | null => time?.toISOString() ?? null;

export function runView({ run, waitingFor }: RunDetail): RunView {
  const { stack, status, origin, outcome, startedAt, endedAt } = run;
  return {
    id: run.id,
    repository: stack.repository,
    environment: stack.environment,
    job: stack.deployment,
    name: run.name,
    state: status.state,
    since: status.since.toISOString(),
    reason: status.reason,
    waitingFor,
    scheduledFor: (origin.by === "schedule" ? origin.time : run.dueAt).toISOString(),
    acceptedAt: run.acceptedAt.toISOString(),
    startedAt: iso(startedAt),
    endedAt: iso(endedAt),
    durationMs: durationMs(run),
    parameters: run.parameters,
    trigger: triggerOf(origin),
    schedule: origin.by === "schedule" ? origin.schedule : null,
    actor: origin.by === "person" ? origin.name : null,
    rerunOf: origin.by === "person" ? origin.rerunOf : null,
    snapshot: run.revision.snapshot,
    commit: run.revision.commit,
    attempt: run.attempt,
    retries: run.retries,
    exitStatus: outcome?.exitStatus ?? null,
    signal: outcome?.signal ?? null,
    peakMemoryBytes: outcome?.peakMemoryBytes ?? null,
    result: outcome?.result ?? null,
    files: outcome?.files ?? [],
    chainNote: run.chainNote,
    callback: run.callback,
    history: run.history.map(({ state, since, reason }) => ({ state, since: since.toISOString(), reason })),
  };
}

function triggerOf(origin: RunOrigin): RunTrigger {
  switch (origin.by) {
    case "schedule":
      return { kind: "schedule", name: origin.schedule, id: null };
    case "person":
      return { kind: "person", name: origin.name, id: null };
    case "after":
      return { kind: "after", name: origin.entry, id: origin.run };
    case "event":
      return { kind: "event", name: origin.event, id: origin.delivery };
    case "deployment":
      return { kind: `${origin.phase}-deploy`, name: origin.deployment, id: null };
    default:
      return origin satisfies never;
  }
}

function durationMs({ startedAt, endedAt }: Run): number | null {
  if (!startedAt || !endedAt || endedAt < startedAt) return null;
  return endedAt.getTime() - startedAt.getTime();
}

export const scheduleView = ({ name, isActive, pause, next }: ScheduleDetail): ScheduleView => ({
  name,
  active: isActive,
  pause,
  next: iso(next),
});

export const upcomingView = ({ schedule, at, parameters, isFiredByTarget }: UpcomingRun): UpcomingView => ({
  schedule,
  at: at.toISOString(),
  firedBy: isFiredByTarget ? "cluster" : "server",
  parameters,
});

export function chainView({ after, followedBy, events }: ChainDetail): ChainView {
  const view = ({ entry: { name, states, delaySeconds }, rest }: ChainLink, job: string): ChainLinkView => ({
    name,
    job,
    states,
    delaySeconds,
    rest,
  });
  return {
    after: after.map((link) => view(link, link.entry.job)),
    followedBy: followedBy.map((link) => view(link, link.follower.deployment)),
    events,
  };
}

export const followerView = ({ id, stack, status, dueAt }: Run): FollowerView => ({
  id,
  job: stack.deployment,
  state: status.state,
  scheduledFor: dueAt.toISOString(),
});
