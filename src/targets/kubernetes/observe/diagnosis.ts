import { constants } from "node:os";
import type { WorkloadStatus } from "../../workload.ts";
import { describeTrouble } from "../../local/processes/diagnosis.ts";
import {
  isReady,
  type ContainerStatus,
  type DeploymentObject,
  type EventObject,
  type PodObject,
  type Terminated,
} from "./pods.ts";
import { asleepSince, wakeFailure, wakeWaits } from "../place.ts";
import { startScriptMark } from "../shell.ts";

/** What is known of one revision: facts as the cluster tells them. */
export interface Facts {
  readonly kind: "service" | "worker";
  readonly deployment: DeploymentObject;
  readonly pods: readonly PodObject[];
  /** Warnings about these pods, in any order. */
  readonly events: readonly EventObject[];
  /** What a pod that waits for a place lacks, and who has it; absent or null where only the scheduler says so. */
  readonly shortage?: (pod: PodObject) => string | null;
}

/** How a revision is, in the user's words. Pure. */
export function diagnose(facts: Facts): WorkloadStatus {
  const { deployment, pods } = facts;
  const wanted = deployment.spec?.replicas ?? 1;
  const ready = Math.min(wanted, deployment.status?.readyReplicas ?? 0);
  if (wanted === 0) return resting(deployment);
  if (ready === wanted) return { state: "ready", reason: "" };
  const trouble = troubleOf(facts);
  if (ready > 0) {
    const answering = `${ready} of ${wanted} replicas answer`;
    // As after each time that more of them are asked for.
    if (trouble === null) return { state: "ready", reason: `${answering}: the others are starting` };
    return { state: "degraded", reason: `${answering}: ${trouble.reason}` };
  }
  if (trouble === null) return { state: "starting", reason: "" };
  // What has run before is being brought back by the cluster; what never has is only being waited for.
  const hasRun = pods.some(({ status }) => status?.containerStatuses?.some(({ restartCount }) => restartCount > 0));
  return { state: hasRun || trouble.isFinal ? "degraded" : "starting", reason: trouble.reason };
}

function resting({ metadata }: DeploymentObject): WorkloadStatus {
  const since = metadata.annotations?.[asleepSince];
  const failure = metadata.annotations?.[wakeFailure];
  const waits = metadata.annotations?.[wakeWaits];
  if (since === undefined) return { state: "stopped", reason: "no replicas are asked for" };
  if (waits !== undefined) return { state: "sleeping", reason: `somebody asks for it; it waits in line: ${waits}` };
  if (failure === undefined) return { state: "sleeping", reason: `asleep since ${since}; wakes on a request` };
  return { state: "degraded", reason: `it did not wake: ${failure}\nthe next request tries again` };
}

export interface Trouble {
  readonly reason: string;
  /** Waiting longer will not help: somebody must change something. */
  readonly isFinal: boolean;
  /** It has not come to run anything yet. */
  readonly isPlacement?: boolean;
}

/** Why the replicas that do not answer do not; null where there is only to wait. */
export function troubleOf({ deployment, pods, ...around }: Facts): Trouble | null {
  const found = pods
    .filter((pod) => !isReady(pod) && pod.metadata.deletionTimestamp === undefined)
    .map((pod) => podTrouble(pod, around))
    .filter((trouble) => trouble !== null);
  return found.find(({ isFinal }) => isFinal) ?? found[0] ?? deploymentTrouble(deployment);
}

const wait = (reason: string): Trouble => ({ reason, isFinal: false });
const final = (reason: string): Trouble => ({ reason, isFinal: true });
const unstartable = (reason: string): Trouble => ({ reason, isFinal: true, isPlacement: true });

/** Pods that could not even be made. */
function deploymentTrouble({ status }: DeploymentObject): Trouble | null {
  const failure = status?.conditions?.find(({ type, status: is }) => type === "ReplicaFailure" && is === "True");
  return failure?.message ? creationTrouble(failure.message) : null;
}

/** Why the cluster makes no pod, by what it answered to whoever was to make it. */
export function creationTrouble(message: string): Trouble {
  const said = message.replace(/^.*? is forbidden: /, "");
  if (/exceeded quota/.test(message))
    return wait(`the environment's quota is used up: ${said.replace(/^exceeded quota: [^,]+, /, "")}`);
  return final(`admission refused: ${said}`);
}

type Around = Pick<Facts, "kind" | "events" | "shortage">;

/** Why one pod does not answer, or does not end. */
export function podTrouble(pod: PodObject, { kind, events, shortage }: Around): Trouble | null {
  const { status, spec } = pod;
  if (status?.reason === "Evicted") return wait(`evicted: ${status.message ?? "its node ran out of something"}`);
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.reason === "Unschedulable")
    return wait(shortage?.(pod) ?? describeUnschedulable(scheduled.message ?? ""));
  const own = events.filter(({ involvedObject }) => involvedObject?.uid === pod.metadata.uid).toSorted(byTime);
  const probe = own.findLast(({ reason }) => reason === "Unhealthy");
  const containers = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const container of containers) {
    const about = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(
      ({ name }) => name === container.name,
    );
    const trouble = containerTrouble(container, {
      kind,
      image: about?.image ?? "",
      limit: about?.resources?.limits?.["memory"],
      pullFailure: pullFailureIn(own, about?.image ?? ""),
    });
    if (trouble && probe && wasStoppedByProbe(container, probe)) {
      return { ...trouble, reason: describeProbe(probe.message ?? "") };
    }
    if (trouble) return trouble;
  }
  const isRunning = status?.containerStatuses?.some(({ state }) => state?.running !== undefined) ?? false;
  if (probe && isRunning) return wait(describeProbe(probe.message ?? ""));
  const mount = own.findLast(({ reason }) => reason === "FailedMount" || reason === "FailedCreatePodSandBox");
  if (mount && !isRunning) return wait(describeMissing(mount.message ?? ""));
  return null;
}

// SIGTERM and SIGKILL as a shell numbers them (POSIX, 2.8.2).
const stopped = new Set([143, 137]);

/** The kubelet ends a program that does not come to answer: what it was asked in vain says more than how it ended. */
function wasStoppedByProbe({ state, lastState }: ContainerStatus, { message = "" }: EventObject): boolean {
  const ended = state?.terminated ?? lastState?.terminated;
  return (
    ended !== undefined && ended.reason !== "OOMKilled" && stopped.has(ended.exitCode) && message.startsWith("Startup")
  );
}

const byTime = (a: EventObject, b: EventObject): number => timeOf(a).localeCompare(timeOf(b));
const timeOf = ({ lastTimestamp, eventTime, metadata }: EventObject): string =>
  lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "";

interface About {
  readonly kind: Facts["kind"];
  readonly image: string;
  readonly limit: string | undefined;
  /** What the kubelet said when it last failed to pull an image for the pod. */
  readonly pullFailure: string | null;
}

const pullReasons = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
]);

/** Between its attempts the kubelet says why after the image's name, or, in older versions, not at all. */
function pullCause(message: string): string | null {
  const said = message.replace(/^Back-off pulling image(?: "[^"]*")?(?:: ErrImagePull)?:? ?/, "").trim();
  return said === "" ? null : said;
}

function pullFailureIn(events: readonly EventObject[], image: string): string | null {
  const start = `Failed to pull image "${image}": `;
  const failed = events.findLast(({ message = "" }) => message.startsWith(start));
  return failed?.message?.slice(start.length) ?? null;
}

function containerTrouble({ name, state, lastState, restartCount }: ContainerStatus, about: About): Trouble | null {
  const { reason = "", message = "" } = state?.waiting ?? {};
  if (pullReasons.has(reason)) {
    const cause = pullCause(message) ?? about.pullFailure;
    return unstartable(`image ${about.image} cannot be pulled${cause === null ? "" : `: ${cause}`}`);
  }
  if (reason === "CreateContainerConfigError") return unstartable(describeMissing(message));
  if (reason === "CreateContainerError" || reason === "RunContainerError")
    return unstartable(`it cannot be started: ${message}`);
  const ended = state?.terminated ?? (restartCount > 0 ? lastState?.terminated : undefined);
  const isBack = state?.running !== undefined;
  if (!ended || (isBack && ended.exitCode === 0)) return null;
  if (ended.exitCode === 0 && name === "source") return null;
  if (name === "source")
    return final(lastLineOf(ended.message) ?? `its source cannot be fetched: status ${ended.exitCode}`);
  return { reason: describeEnd(ended, about), isFinal: restartCount > 1 };
}

const lastLineOf = (message = ""): string | undefined =>
  message
    .trim()
    .split("\n")
    .at(-1)
    ?.replace(/^waybill: /, "") || undefined;

const keptLines = 20;

/** In the words of the local target: the same program fails in the same way here. */
function describeEnd(ended: Terminated, { kind, limit }: About): string {
  const lines = (ended.message ?? "").trimEnd().split("\n").slice(-keptLines);
  const uptimeMs = Date.parse(ended.finishedAt ?? "") - Date.parse(ended.startedAt ?? "");
  if (ended.reason === "OOMKilled")
    return `killed for memory: it used more than its ${limit ?? "limit"}; give it a larger size`;
  const isStartScript = lines.at(-1)?.startsWith(startScriptMark) ?? false;
  const signal = ended.exitCode > 128 ? signalName(ended.exitCode - 128) : null;
  return describeTrouble(
    {
      kind: "exited",
      exit: {
        stage: isStartScript ? "start script" : "command",
        status: signal === null ? ended.exitCode : null,
        signal,
      },
      uptimeMs: Number.isNaN(uptimeMs) ? 0 : uptimeMs,
      wasMemory: false,
    },
    kind,
    (isStartScript ? lines.slice(0, -1) : lines).filter((line) => line !== ""),
  );
}

const signalName = (number: number): string | null =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null;

/** `0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: …` */
function describeUnschedulable(message: string): string {
  const [said = ""] = message.replace(/^\d+\/\d+ nodes are available: /, "").split(/ (?:preemption|no new claims)/);
  const parts = said
    .replace(/\.\s*$/, "")
    .split(", ")
    .map((part) => part.replace(/^(\d+) Insufficient (.+)$/, "$1 without enough free $2"));
  return `no node has room for it: ${parts.join(", ")}`;
}

/** `secret "x" not found`, `couldn't find key k in Secret ns/x`, `container has runAsNonRoot and image will run as root …` */
function describeMissing(message: string): string {
  const secret = /secret "([^"]+)" not found/.exec(message)?.[1];
  if (secret !== undefined) return `secret "${secret}" does not exist`;
  if (/runAsNonRoot/.test(message))
    return "its image runs as root, which pods here may not: set USER in the image to a number other than 0";
  return `it cannot be started: ${message}`;
}

/** What the kubelet says of a probe: `Readiness probe failed: HTTP probe failed with statuscode: 500`. */
function describeProbe(message: string): string {
  const status = /statuscode: (\d+)/.exec(message)?.[1];
  if (status !== undefined) return `the health check answers ${status}`;
  const port = /dial tcp \S*?:(\d+): /.exec(message)?.[1];
  if (port !== undefined && /refused/.test(message)) {
    return `nothing listens on port ${port}: the program must listen on the port in $PORT, on every address (0.0.0.0)`;
  }
  if (/deadline exceeded|Client\.Timeout|i\/o timeout/.test(message)) return "the health check is not answered in time";
  return message.trim();
}
