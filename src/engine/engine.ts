import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { Provider } from "./provider.ts";
import type { StackName, StateStore, UntypedDeployment } from "./state.ts";
import type { Changes, EngineEvent, Step } from "./step.ts";

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

/** Encrypts text for the state; `scope` is bound in, so that a ciphertext moved to another stack is refused. */
export interface SecretBox {
  encrypt(plaintext: string, scope: string): string;
  decrypt(ciphertext: string, scope: string): string;
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
