import { WaybillError } from "../core/errors.ts";
import type { StackName } from "../core/stack.ts";
import type { Engine, Program } from "../engine/engine.ts";
import type { EngineEvent } from "../engine/step.ts";
import type { Ahead, Deployer, DeployOptions, Progress } from "../release/deployer.ts";
import type { Workload, WorkloadStatus } from "../release/workload.ts";

/** What a target brings: a program for each workload, and how the workload is afterwards. */
export interface ProgramTarget {
  program(workload: Workload): Program;
  notices(workload: Workload): readonly string[];
  prepare?(workload: Workload, ahead: Ahead): void;
  status(stack: StackName): WorkloadStatus | null;
}

interface DeployerParts {
  readonly engine: Pick<Engine, "up" | "destroy">;
  readonly target: ProgramTarget;
  /** The address of a host by its first label. */
  readonly urlOf: (host: string) => string;
}

/** Deploys by running the target's program as a Pulumi stack of its own. */
export function makeEngineDeployer({ engine, target, urlOf }: DeployerParts): Deployer {
  return {
    notices: (workload) => target.notices(workload),
    prepare: (workload, ahead) => target.prepare?.(workload, ahead),
    async apply(workload, options) {
      const { stack, host } = workload;
      await engine.up(stack, target.program(workload), engineOptions(options)).catch(rethrowPlainly);
      return { url: host === "" ? null : urlOf(host), status: target.status(stack) ?? settledStatus(workload, target) };
    },
    async remove(stack, options) {
      await engine.destroy(stack, engineOptions(options));
    },
  };
}

/** The engine puts the resource's type before a message; whoever reads the reason knows only the deployment. */
function rethrowPlainly(error: unknown): never {
  if (!(error instanceof WaybillError) || !(error.cause instanceof Error)) throw error;
  const { code, message, cause } = error;
  const prefix = message.slice(0, -cause.message.length);
  const isOnlyFailure = message.endsWith(cause.message) && !prefix.includes("\n");
  throw isOnlyFailure ? new WaybillError(code, cause.message, { cause: error }) : error;
}

/** For what has no process of its own to be asked: a site, or a deployment that is meant to be off. */
function settledStatus(workload: Workload, target: Pick<ProgramTarget, "notices">): WorkloadStatus {
  const { spec, pause } = workload;
  // Nothing runs of a kind that the target only checks: it says so itself.
  if (spec.kind === "job") return { state: "stopped", reason: target.notices(workload).join("; ") };
  if (spec.state === "running") return { state: "ready", reason: "" };
  if (!pause) return { state: spec.state, reason: `state: ${spec.state} in its file` };
  return { state: "paused", reason: pause.reason ? `paused by ${pause.by}: ${pause.reason}` : `paused by ${pause.by}` };
}

const engineOptions = ({ signal, onProgress }: DeployOptions) => ({
  signal,
  onEvent(event: EngineEvent) {
    if (event.type === "step-progress" && event.message.trim() !== "") onProgress(progressOf(event.message));
  },
});

const buildPrefix = "building: ";

/** Providers say what they do in their progress; building and starting are states that people see. */
function progressOf(message: string): Progress {
  if (message.startsWith(buildPrefix)) return { state: "building", message: message.slice(buildPrefix.length) };
  return message === "starting" ? { state: "starting", message } : { message };
}
