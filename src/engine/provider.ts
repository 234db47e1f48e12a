/**
 * What the engine asks of whatever makes resources real. Shaped like Pulumi's provider protocol
 * (https://www.pulumi.com/docs/iac/concepts/providers/), as plain functions on plain values.
 *
 * Values: inputs and outputs are JSON. Secrets arrive unwrapped; `secretPaths` says where they stood. What a provider
 * answers is marked secret again at the same paths, and wherever it repeats a secret's text.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Properties = { readonly [key: string]: Json };

/** What comes with every call. `signal` aborts when the apply is cancelled or the resource's own timeout has passed. */
export interface CallContext {
  readonly urn: string;
  /** The resource's type token, `package:module:Name`. */
  readonly type: string;
  /** The resource's name in the program. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** A line for whoever waits; secrets are redacted by the engine. */
  readonly onProgress: (message: string) => void;
  /** Property paths (`env.DATABASE_URL`) whose values are secret in the inputs of this call. */
  readonly secretPaths: readonly string[];
}

/** Calls that change the world also get this. */
export interface EffectContext extends CallContext {
  /** The same for every attempt at this one operation, also after a crash; differs between operations. */
  readonly operationId: string;
  /** The program's customTimeouts for this operation, already part of `signal`. */
  readonly timeoutMs?: number;
}

export interface CheckRequest extends CallContext {
  readonly oldInputs: Properties | null;
  readonly newInputs: Properties;
}
export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}
export interface CheckResult {
  /** The inputs to go on with, defaults filled in. Deterministic for equal arguments, or nothing is ever unchanged. */
  readonly inputs: Properties;
  readonly failures?: readonly CheckFailure[];
}

export type DiffKind = "add" | "delete" | "update" | "add-replace" | "delete-replace" | "update-replace";
export type DetailedDiff = Readonly<Record<string, DiffKind>>;
export interface DiffRequest extends CallContext {
  readonly id: string;
  readonly oldInputs: Properties;
  readonly oldOutputs: Properties;
  /** May hold `unknown` at preview and when a dependency is about to be replaced: see `isUnknown`. */
  readonly newInputs: Properties;
  readonly ignoreChanges: readonly string[];
}
export interface DiffResult {
  readonly changes: boolean;
  /** Property paths that cannot be changed in place: not empty means replacement. */
  readonly replaces?: readonly string[];
  /** The old one must go before the new one can be. The program's own option wins over this. */
  readonly deleteBeforeReplace?: boolean;
  readonly detailedDiff?: DetailedDiff;
  /** Outputs that an update leaves as they are, so that a preview may show them. */
  readonly stables?: readonly string[];
}

/**
 * Must be idempotent by `urn` and `inputs`: after a crash between the call and the note of its outcome it is made
 * again with the same `operationId`, unless `find` says what the first call did. Throwing anything but PartialCreate
 * says that nothing was left behind.
 */
export interface CreateRequest extends EffectContext {
  readonly inputs: Properties;
  /** True: change nothing, answer what would come out. Only for providers with `previews`. */
  readonly preview: boolean;
}
export interface CreateResult {
  readonly id: string;
  readonly outputs: Properties;
}

export interface FindRequest extends EffectContext {
  readonly inputs: Properties;
}

export interface ReadRequest extends CallContext {
  readonly id: string;
  readonly inputs: Properties;
  /** What was known; empty for a resource that the program only reads. */
  readonly outputs: Properties;
}
export interface ReadResult extends CreateResult {
  readonly inputs?: Properties;
}

export interface UpdateRequest extends EffectContext {
  readonly id: string;
  readonly oldInputs: Properties;
  readonly oldOutputs: Properties;
  readonly newInputs: Properties;
  readonly ignoreChanges: readonly string[];
  readonly preview: boolean;
}
export interface UpdateResult {
  readonly outputs: Properties;
  /** At preview: the thing as it is now, where that is known better than from the last apply. */
  readonly before?: Properties;
}

/** Must succeed when the thing is gone already: a crash may have come between the deletion and its note. */
export interface DeleteRequest extends EffectContext {
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

export interface InvokeRequest {
  readonly token: string;
  readonly args: Properties;
  readonly signal: AbortSignal;
}
export interface InvokeResult {
  readonly result: Properties;
  readonly failures?: readonly CheckFailure[];
}

export interface ConfigureRequest {
  /** The inputs of the provider resource, or the stack's configuration of this package for the default provider. */
  readonly inputs: Properties;
  readonly signal: AbortSignal;
}

/** One package's resources. Optional functions have the plainest meaning when absent. */
export interface Provider {
  /** `create` and `update` take `preview: true`. Absent: at preview, inputs are echoed and all else is unknown. */
  readonly previews?: boolean;
  /** The provider to use for this configuration. Absent: configuration is not looked at. */
  configure?(request: ConfigureRequest): Promise<Provider>;
  /** Absent: every input is right as it is. */
  check?(request: CheckRequest): Promise<CheckResult>;
  /** Absent: inputs are compared, a difference is an update in place. */
  diff?(request: DiffRequest): Promise<DiffResult>;
  create(request: CreateRequest): Promise<CreateResult>;
  /** After a crash: what an unfinished `create` made, null for nothing. Absent: that `create` is made again. */
  find?(request: FindRequest): Promise<CreateResult | null>;
  /** Null: it is gone. Absent: refresh leaves the resource as it is, and reading is refused. */
  read?(request: ReadRequest): Promise<ReadResult | null>;
  update(request: UpdateRequest): Promise<UpdateResult>;
  delete(request: DeleteRequest): Promise<void>;
  /**
   * Whether each `update` of this type writes the whole thing, whatever was there. It needs no note of its own while
   * an effect before it is noted as unfinished: after a crash every resource of the type is updated once more.
   */
  rewrites?(type: string): boolean;
  /** Absent: functions of this package are refused by name. */
  invoke?(request: InvokeRequest): Promise<InvokeResult>;
}

/** Thrown by `create` and `update`: the thing exists but is not as wanted. Its id is kept; the next apply updates it. */
export class PartialCreate extends Error {
  readonly id: string;
  readonly outputs: Properties;
  readonly reasons: readonly string[];

  constructor({ id, outputs, reasons, cause }: PartialCreateFields) {
    super(reasons.join("; "), cause === undefined ? undefined : { cause });
    this.name = "PartialCreate";
    this.id = id;
    this.outputs = outputs;
    this.reasons = reasons;
  }
}

interface PartialCreateFields extends CreateResult {
  readonly reasons: readonly string[];
  readonly cause?: unknown;
}
