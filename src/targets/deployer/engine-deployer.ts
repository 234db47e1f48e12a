import { isDeepStrictEqual } from "node:util";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Engine } from "../../engine/engine.ts";
import type { EngineEvent } from "../../engine/step.ts";
import type { Deployer, DeployOptions, Progress } from "../../release/deployer.ts";
import { restWords, type Workload, type WorkloadStatus } from "../../release/workload.ts";
import { previewProgram } from "./engine-preview.ts";
import type { Foundations } from "./foundations.ts";
import type { Target } from "../target.ts";

interface DeployerParts {
  readonly engine: Pick<Engine, "up" | "destroy" | "preview">;
  readonly target: Omit<Target, "rollouts" | "sleeper" | "onStatus" | "logs">;
  /** Told of a stack that is to be applied within milliseconds. */
  readonly expect?: (stack: StackName) => void;
  /** Absent: no target asks for any. */
  readonly foundations?: Foundations;
  /** The address of a host by its first label. */
  readonly urlOf: (host: string) => string;
  /** Resolves once every gateway goes by the stack's routes as they are. Absent: there is nobody to wait for. */
  readonly inForce?: (stack: StackName) => Promise<void>;
}

/** Deploys by running the target's program as a Pulumi stack of its own. */
export function makeEngineDeployer(parts: DeployerParts): Deployer {
  const { engine, target, expect, foundations, urlOf, inForce = later } = parts;
  const guard = makeGuard({ engine, target, inForce });
  return {
    notices: (workload) => target.notices(workload),
    prepare(workload, ahead) {
      if (ahead.isStored) expect?.(workload.stack);
      target.prepare?.(workload, ahead);
    },
    preview(workload) {
      const { stack } = workload;
      const wanted = target.preview?.(workload) ?? null;
      return wanted && ((signal) => previewProgram(engine, { ...wanted, stack, signal }));
    },
    async apply(workload, options) {
      const { stack, host } = workload;
      const program = target.program(workload);
      const up = (): Promise<unknown> =>
        engine.up(stack, program, engineOptions(options)).catch(async (error: unknown) => {
          throw options.signal.aborted ? error : await concluded(target, { workload, options, error });
        });
      const guarded = async (): Promise<void> => {
        await guard.before(workload, options);
        await up();
        await inForce(stack);
        await guard.after(workload, options);
        await target.opening?.(workload)?.(options.signal);
      };
      const foundation = target.foundation?.(workload) ?? null;
      await (foundations?.under(foundation, engineOptions(options), guarded) ?? guarded()).catch(rethrowPlainly);
      if (foundation === null) await foundations?.clear(stack, engineOptions(options));
      return { url: host === "" ? null : urlOf(host), status: statusAfter(workload, target) };
    },
    async remove(stack, options) {
      await engine.destroy(stack, engineOptions(options));
      await inForce(stack);
      await foundations?.clear(stack, engineOptions(options));
    },
  };
}

const later = (): Promise<void> => Promise.resolve();

/** What is not shown to be closed to strangers is led to by nothing: the workload runs on, its addresses are withdrawn. */
function makeGuard({ engine, target, inForce }: Required<Pick<DeployerParts, "engine" | "target" | "inForce">>) {
  // As they were to be when they were withdrawn. A server that starts anew opens each of them once more.
  const withdrawn = new Map<string, Workload>();
  return {
    /** What was withdrawn is asked about before it is opened again, where that tells as much. */
    async before(workload: Workload, { signal }: DeployOptions): Promise<void> {
      const guarding = target.guard?.(workload) ?? null;
      if (!guarding?.asksWithdrawn || !isDeepStrictEqual(withdrawn.get(stackKey(workload.stack)), workload)) return;
      await guarding.check(signal);
    },
    async after(workload: Workload, options: DeployOptions): Promise<void> {
      const { stack } = workload;
      const guarding = target.guard?.(workload) ?? null;
      withdrawn.delete(stackKey(stack));
      if (guarding === null) return;
      try {
        await guarding.check(options.signal);
      } catch (error) {
        // Whoever cancelled this applies another one, which is checked as well.
        if (options.signal.aborted) throw error;
        options.onProgress({ message: "its addresses are withdrawn: they may be open to everybody" });
        await engine.up(stack, guarding.withdrawn(messageOf(error)), engineOptions(options));
        await inForce(stack);
        withdrawn.set(stackKey(stack), workload);
        throw error;
      }
    },
  };
}

interface Failed {
  readonly workload: Workload;
  readonly options: DeployOptions;
  readonly error: unknown;
}

/** Why an apply failed; what it left is stopped once that is known, where no other try follows. */
async function concluded(
  target: DeployerParts["target"],
  { workload, options: { signal, previous = null, onProgress }, error }: Failed,
): Promise<unknown> {
  const failure = (await target.explain?.(workload, error, signal)) ?? error;
  if (!(failure instanceof WaybillError) || failure.verdict !== "rejected") return failure;
  await target.withdraw?.(workload, previous, signal).catch((cause: unknown) => {
    onProgress({ message: `what failed could not be stopped: ${messageOf(cause)}` });
  });
  return failure;
}

/** The engine puts the resource's type before a message; whoever reads the reason knows only the deployment. */
function rethrowPlainly(error: unknown): never {
  if (!(error instanceof WaybillError) || !(error.cause instanceof Error)) throw error;
  const { code, message, cause } = error;
  const prefix = message.slice(0, -cause.message.length);
  const isOnlyFailure = message.endsWith(cause.message) && !prefix.includes("\n");
  throw isOnlyFailure ? new WaybillError(code, cause.message, { cause: error }) : error;
}

/** What was awaited has answered, also where whoever watches the target has not heard of it yet. */
function statusAfter(workload: Workload, target: DeployerParts["target"]): WorkloadStatus {
  const status = target.status(workload.stack);
  const isResting = workload.spec.state !== "running";
  if (status === null || isResting) return settledStatus(workload, target);
  return status.state === "starting" ? { state: "ready", reason: "" } : status;
}

/** For what has no process of its own to be asked: a site, or a deployment that is meant to be off. */
function settledStatus(workload: Workload, target: Pick<Target, "notices" | "executor">): WorkloadStatus {
  const { spec, pause } = workload;
  // Nothing runs of a kind that the target only checks: it says so itself.
  if (spec.kind === "job" && !target.executor?.(workload)) {
    return { state: "stopped", reason: target.notices(workload).join("; ") };
  }
  if (spec.state === "running") return { state: "ready", reason: "" };
  return { state: pause ? "paused" : spec.state, reason: restWords(workload) ?? "" };
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
