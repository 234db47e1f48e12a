import { constants } from "node:os";
import { startScriptMark } from "../shell.ts";
import { creationTrouble, podTrouble, type Trouble } from "../observe/diagnosis.ts";
import type { Condition, ContainerStatus, EventObject, PodObject, Terminated } from "../observe/pods.ts";
import { keeperContainer } from "./run-objects.ts";
import { hasJobEnded, isJobComplete, isOverdueJob, type JobObject, type RunView } from "./run-sight.ts";

/** How a program ended, as the cluster tells it. */
export interface Ending {
  /** Null: nobody saw it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Who or what ended it from outside; null where it ended by itself. */
  readonly cause: string | null;
  readonly endedAt: Date | null;
}

/** The program's own container. */
export const programOf = ({ status }: PodObject): ContainerStatus | undefined => (status?.containerStatuses ?? [])[0];

export function startedAtOf(pod: PodObject): Date | null {
  const { state } = programOf(pod) ?? {};
  const text = state?.running?.startedAt ?? state?.terminated?.startedAt;
  return text === undefined || text === null ? null : new Date(text);
}

export const hasEnded = (pod: PodObject): boolean => programOf(pod)?.state?.terminated !== undefined;

/** Nothing in the pod runs any more. */
export const isOver = ({ pod, isPodGone }: RunView): boolean =>
  isPodGone || pod?.status?.phase === "Succeeded" || pod?.status?.phase === "Failed";

// A shell answers 128 + N for a command that signal N ended (POSIX, 2.8.2).
function signalOf(status: number): string | null {
  return Object.entries(constants.signals).find(([, value]) => value === status - 128)?.[0] ?? null;
}

/** Null while it has not ended. `isOverdue`: it should have, and its node does not say so. Pure. */
export function endingOf(view: RunView, isOverdue: boolean): Ending | null {
  const { pod } = view;
  const ended = pod && programOf(pod)?.state?.terminated;
  if (pod && ended) return endingOfProgram(pod, ended);
  const unseen = (cause: string): Ending => ({ status: null, signal: null, cause, endedAt: null });
  if (pod?.status?.phase === "Failed") return unseen(causeOf(pod) ?? `its pod failed: ${pod.status.message ?? ""}`);
  if (pod && isOverdue) return unseen(lostNode(pod));
  if (pod && view.isPodGone) {
    return unseen(causeOf(pod) ?? "its pod was removed from the cluster, and nobody saw how its program ended");
  }
  if (!pod && view.job && hasJobEnded(view.job)) return endingOfJob(view.job);
  if (!pod && view.isJobGone) return unseen("its Job was removed from the cluster before it had a pod");
  return null;
}

/** Of one that was looked at only when its pods had gone. */
function endingOfJob(job: JobObject): Ending {
  const { completionTime } = job.status ?? {};
  const endedAt = completionTime === undefined ? null : new Date(completionTime);
  if (isJobComplete(job)) return { status: 0, signal: null, cause: null, endedAt };
  const cause = isOverdueJob(job)
    ? "ended by the cluster: it took longer than its timeout"
    : "its pod was removed from the cluster, and nobody saw how its program ended";
  return { status: null, signal: null, cause, endedAt };
}

const lostNode = ({ spec }: PodObject): string =>
  `its node ${spec?.nodeName ?? ""} is lost: whether its program still runs there, nobody knows`;

function endingOfProgram(pod: PodObject, ended: Terminated): Ending {
  const { exitCode } = ended;
  const signal = exitCode > 128 ? signalOf(exitCode) : null;
  return {
    status: signal === null ? exitCode : null,
    signal,
    // What ended by itself before the cluster got to it, ended by itself.
    cause: exitCode === 0 ? null : (memoryCause(pod, ended) ?? causeOf(pod)),
    endedAt: ended.finishedAt ? new Date(ended.finishedAt) : null,
  };
}

function memoryCause({ spec }: PodObject, { reason }: Terminated): string | null {
  if (reason !== "OOMKilled") return null;
  const limit = (spec?.containers ?? [])[0]?.resources?.limits?.["memory"] ?? "limit";
  return `killed for memory: it used more than its ${limit}; give it a larger size`;
}

/** What the cluster did to the pod. */
function causeOf(pod: PodObject): string | null {
  const { reason = "", message = "" } = pod.status ?? {};
  if (reason === "Evicted") return `evicted: ${message || "its node ran out of something"}`;
  if (reason === "DeadlineExceeded")
    return "ended by the cluster: it took longer than its timeout while no server saw it";
  const disrupted = (pod.status?.conditions ?? []).find(isDisruption);
  if (disrupted) return `ended by the cluster: ${disrupted.message || disrupted.reason || "its pod was in the way"}`;
  const brought = (pod.status?.initContainerStatuses ?? []).find(({ name }) => name === "source");
  if (brought?.state?.terminated && brought.state.terminated.exitCode !== 0) {
    return podTrouble(pod, { kind: "worker", events: [] })?.reason ?? "its source cannot be fetched";
  }
  return reason === "" && message === "" ? null : `ended by the cluster: ${message || reason}`;
}

// https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
const isDisruption = ({ type, status }: Condition): boolean => type === "DisruptionTarget" && status === "True";

/** Why a program has not started yet; null where there is nothing to say. Pure. */
export function waitOf({ job, pod }: RunView, events: readonly EventObject[]): Trouble | null {
  if (pod) return podTrouble(withoutKeeper(pod), { kind: "worker", events });
  const refused = events.findLast(
    ({ reason, involvedObject }) => reason === "FailedCreate" && involvedObject?.uid === job?.metadata.uid,
  );
  return refused?.message ? creationTrouble(refused.message) : null;
}

/** Of who hands over what is left, only that it cannot be there says something about the program. */
function withoutKeeper(pod: PodObject): PodObject {
  const initContainerStatuses = (pod.status?.initContainerStatuses ?? []).filter(
    ({ name, state }) => name !== keeperContainer || state?.waiting !== undefined,
  );
  return { ...pod, status: { ...pod.status, initContainerStatuses } };
}

export const isOfStartScript = (lastLine: string | undefined): boolean =>
  lastLine?.startsWith(startScriptMark) ?? false;
