import type { KubeObject } from "../cluster/object.ts";
import { conditionOf, partOf } from "./rule.ts";

/** What keeps pods from being ready, in words, each once. */
export interface PodTrouble {
  readonly reasons: readonly string[];
  /** Another minute will not help. */
  readonly isFinal: boolean;
  /** What looks passing now is taken for lasting after this long. */
  readonly againInMs?: number;
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason?: string;
    readonly message?: string;
    readonly startedAt?: string;
    readonly finishedAt?: string;
  };
  readonly running?: { readonly startedAt?: string };
}
interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly started?: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}
export interface PodStatus {
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  readonly containerStatuses: readonly ContainerStatus[];
  readonly initContainerStatuses: readonly ContainerStatus[];
}

interface PodSpec {
  readonly containers: readonly { readonly name: string; readonly startupProbe?: StartupProbe }[];
}
interface StartupProbe {
  readonly initialDelaySeconds?: number;
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
}

/** Waiting reasons that only a changed object ends. */
const hopeless = new Set(["InvalidImageName", "ErrImageNeverPull"]);
/** Those that a registry, a secret or a node may yet make good, for as long as this. */
const passing = new Set(["ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError"]);
const passingMs = 20_000;
// After the third crash the kubelet waits 40 s and more: whoever waits for the apply should hear of it before that.
const finalRestarts = 2;

const none: PodTrouble = { reasons: [], isFinal: false };

export function troubleOf(pods: readonly KubeObject[], nowMs: number): PodTrouble {
  return pods.map((pod) => podTrouble(pod, nowMs)).reduce(joined, none);
}

function joined(left: PodTrouble, right: PodTrouble): PodTrouble {
  const againInMs = Math.min(left.againInMs ?? Infinity, right.againInMs ?? Infinity);
  return {
    reasons: [...new Set([...left.reasons, ...right.reasons])],
    isFinal: left.isFinal || right.isFinal,
    ...(againInMs < Infinity && { againInMs }),
  };
}

function podTrouble(pod: KubeObject, nowMs: number): PodTrouble {
  const status = partOf<PodStatus>(pod, "status");
  const { name, creationTimestamp = "" } = pod.metadata;
  if (status.phase === "Failed") {
    const why = [status.reason, status.message].filter(Boolean).join(": ");
    return { reasons: [`pod ${name}: ${why || exitOf(status) || "failed"}`], isFinal: false };
  }
  const scheduled = conditionOf(pod, "PodScheduled");
  if (scheduled?.status === "False") {
    return { reasons: [`pod ${name} is not scheduled: ${scheduled.message ?? scheduled.reason}`], isFinal: false };
  }
  const ageMs = nowMs - Date.parse(creationTimestamp);
  const { containers = [] } = partOf<PodSpec>(pod, "spec");
  const probeOf = (container: string) => containers.find((one) => one.name === container)?.startupProbe;
  return [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
    .map((container) =>
      joined(containerTrouble(container, ageMs), startTrouble(container, probeOf(container.name), nowMs)),
    )
    .reduce(joined, none);
}

// The kubelet asks for the first time within a second, and its last question takes a moment.
const probeSlackMs = 1_500;

/**
 * A program that has not come to answer in its time. The kubelet ends it and starts it again, and would go on for ever:
 * whoever waits for the apply gave it this time once.
 */
function startTrouble(
  { name, state = {}, lastState = {}, started }: ContainerStatus,
  probe: StartupProbe | undefined,
  nowMs: number,
): PodTrouble {
  if (probe === undefined || started === true) return none;
  const { initialDelaySeconds = 0, periodSeconds = 10, failureThreshold = 3 } = probe;
  const limitMs = (initialDelaySeconds + periodSeconds * failureThreshold) * 1_000;
  const late = `container ${name} did not answer within ${limitMs / 1_000} s of its start`;
  const ended = state.terminated ?? lastState.terminated;
  if (ended !== undefined && Date.parse(ended.finishedAt ?? "") - Date.parse(ended.startedAt ?? "") >= limitMs) {
    return { reasons: [late], isFinal: true };
  }
  const startedAt = state.running?.startedAt;
  if (startedAt === undefined) return none;
  const leftMs = Date.parse(startedAt) + limitMs + probeSlackMs - nowMs;
  return leftMs > 0 ? { reasons: [], isFinal: false, againInMs: leftMs } : { reasons: [late], isFinal: true };
}

const exitOf = ({ containerStatuses = [] }: Partial<PodStatus>): string =>
  containerStatuses.flatMap(({ name, state }) => (state?.terminated ? [ended(name, state)] : [])).join("; ");

function containerTrouble(container: ContainerStatus, ageMs: number): PodTrouble {
  const { name, state = {}, restartCount, lastState = {} } = container;
  const { reason = "", message = "" } = state.waiting ?? {};
  if (hopeless.has(reason)) return { reasons: [said(name, reason, message)], isFinal: true };
  if (passing.has(reason)) {
    const againInMs = passingMs - ageMs;
    const reasons = [said(name, reason, message)];
    return againInMs > 0 ? { reasons, isFinal: false, againInMs } : { reasons, isFinal: true };
  }
  if (reason === "CrashLoopBackOff") {
    const crash = `${ended(name, lastState)}, ${restartCount + 1} times`;
    return { reasons: [crash], isFinal: restartCount >= finalRestarts };
  }
  if (state.terminated && state.terminated.exitCode !== 0) return { reasons: [ended(name, state)], isFinal: false };
  if (state.running && !container.ready)
    return { reasons: [`container ${name} runs and is not ready`], isFinal: false };
  return none;
}

const said = (name: string, reason: string, message: string): string =>
  `container ${name}: ${reason}${message === "" ? "" : `: ${message}`}`;

function ended(name: string, { terminated }: ContainerState): string {
  if (!terminated) return `container ${name} crashed`;
  if (terminated.reason === "OOMKilled") return `container ${name} was killed for memory`;
  const text = terminated.message?.trim() ?? "";
  return `container ${name} exited with status ${terminated.exitCode}${text === "" ? "" : `: ${text}`}`;
}
