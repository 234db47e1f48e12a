import type { Clock } from "../core/clock.ts";
import type { StackName } from "../core/stack.ts";
import { WaybillError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { applyProgram, destroyStack } from "./apply.ts";
import { loadCheckpoint, openOperation } from "./opening.ts";
import { hookProcess } from "./program/rejection.ts";
import type { Provider } from "./provider.ts";
import { refreshStack } from "./refresh.ts";
import { decodeCheckpoint, makeEncoder } from "./record/checkpoint.ts";
import { scopeOf, type SecretBox, type StateStore, type UntypedDeployment } from "./state.ts";
import type { Changes, EngineEvent, Step } from "./step.ts";
import { parseUrn } from "./value/urn.ts";

/** An ordinary inline Pulumi program; what it returns are the stack's outputs. */
export type Program = () => Promise<Record<string, unknown> | void>;

export interface OperationOptions {
  readonly signal?: AbortSignal;
  /** Provider calls at once; 16 when absent. */
  readonly parallel?: number;
  readonly onEvent?: (event: EngineEvent) => void;
}
export interface ProgramOptions extends OperationOptions {
  /** Stack configuration, `namespace:key` to text. */
  readonly config?: Readonly<Record<string, string>>;
  /** Keys of `config` whose values are secret. */
  readonly secretConfig?: readonly string[];
}

export interface Preview {
  readonly steps: readonly Step[];
  readonly changes: Changes;
}
export interface UpResult extends Preview {
  /** A secret output is a core `Secret` (JSON text where it is not a string). */
  readonly outputs: Readonly<Record<string, unknown>>;
}
export interface ExportOptions {
  /** Secrets as plain text, for another engine to import. Default: encrypted with this server's key. */
  readonly showSecrets?: boolean;
}

/**
 * Errors: PROGRAM_FAILED, PROGRAM_UNSUPPORTED, STEP_FAILED (or the provider's own WaybillError code),
 * RESOURCE_PROTECTED, APPLY_CANCELLED, STATE_INVALID, STATE_CONFLICT.
 */
export interface Engine {
  /** What `up` would do. Changes nothing, writes nothing. */
  preview(stack: StackName, program: Program, options?: ProgramOptions): Promise<Preview>;
  /** Makes the world match the program. A failing resource stops only what depends on it; then this rejects. */
  up(stack: StackName, program: Program, options?: ProgramOptions): Promise<UpResult>;
  /** Deletes every resource, and then the state. */
  destroy(stack: StackName, options?: OperationOptions): Promise<Preview>;
  /** Reads every resource again and notes what is found. */
  refresh(stack: StackName, options?: OperationOptions): Promise<Preview>;
  export(stack: StackName, options?: ExportOptions): Promise<UntypedDeployment | null>;
  import(stack: StackName, deployment: unknown): Promise<void>;
  /** Unhooks from the process. Operations in flight must have ended. */
  close(): void;
}

export interface EngineDependencies {
  /** By package name: the part of a type token before its first colon. */
  readonly providers: Readonly<Record<string, Provider>>;
  readonly state: StateStore;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs Pulumi programs in this process. One operation at a time per stack: a second is refused (STACK_BUSY). */
export function makeEngine(dependencies: EngineDependencies): Engine {
  const { state, secrets, clock } = dependencies;
  const unhook = hookProcess();
  const exclusively = makeExclusive();
  const opened = (stack: StackName, options: ProgramOptions, isPreview = false) =>
    openOperation(dependencies, { stack, options, isPreview });
  return {
    preview: async (stack, program, options = {}) => {
      const { steps, changes } = await applyProgram(await opened(stack, options, true), program, options);
      return { steps, changes };
    },
    up: (stack, program, options = {}) =>
      exclusively(stack, async () => applyProgram(await opened(stack, options), program, options)),
    destroy: (stack, options = {}) =>
      exclusively(stack, async () => {
        const destroyed = await destroyStack(await opened(stack, options));
        await state.remove(stack);
        return destroyed;
      }),
    refresh: (stack, options = {}) => exclusively(stack, async () => refreshStack(await opened(stack, options))),
    export: async (stack, { showSecrets = false } = {}) => {
      const stored = await state.load(stack);
      if (stored === null || !showSecrets) return stored?.state ?? null;
      const scope = scopeOf(stack);
      const checkpoint = decodeCheckpoint(stored.state, { scope, secrets });
      return makeEncoder({ scope, secrets: null })(checkpoint, new Date(stored.state.deployment.manifest.time));
    },
    import: (stack, deployment) =>
      exclusively(stack, async () => {
        const scope = scopeOf(stack);
        const checkpoint = decodeCheckpoint(deployment, { scope, secrets });
        for (const { urn } of checkpoint.resources) requireOwn(urn, stack);
        const { serial } = await loadCheckpoint(dependencies, stack);
        await state.save(stack, {
          serial: serial + 1,
          state: makeEncoder({ scope, secrets })(checkpoint, clock.now()),
        });
      }),
    close: unhook,
  };
}

export function makeExclusive(): <Result>(stack: StackName, task: () => Promise<Result>) => Promise<Result> {
  const busy = new Set<string>();
  return async (stack, task) => {
    const scope = scopeOf(stack);
    if (busy.has(scope)) {
      throw new WaybillError("STACK_BUSY", `another operation on ${scope} is under way; wait for it or cancel it`);
    }
    busy.add(scope);
    try {
      return await task();
    } finally {
      busy.delete(scope);
    }
  };
}

/** Throws STATE_INVALID for a resource of another stack. */
export function requireOwn(urn: string, name: StackName): void {
  const { stack, project } = parseUrn(urn);
  if (`${project}/${stack}` === scopeOf(name)) return;
  throw new WaybillError(
    "STATE_INVALID",
    `${urn} belongs to ${project}/${stack}; wanted is the state of ${scopeOf(name)}. Rename the stack before exporting it`,
  );
}
