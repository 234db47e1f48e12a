import type { StackName } from "../core/stack.ts";
import type { Properties } from "./provider.ts";

/** One stack per deployment: Pulumi's project is the repository, its stack the other two. Names hold no `--`. */
export const pulumiStack = ({ environment, deployment }: StackName): string => `${environment}--${deployment}`;
export const pulumiProject = ({ repository }: StackName): string => repository;
/** `PROJECT/STACK`: what names a stack in messages, and what its secrets are bound to. */
export const scopeOf = (stack: StackName): string => `${pulumiProject(stack)}/${pulumiStack(stack)}`;

/**
 * Pulumi's deployment format, version 3, as `pulumi stack export` prints it and `pulumi stack import` takes it
 * (sdk/go/common/apitype in github.com/pulumi/pulumi). Field names are the format's own.
 */
export interface UntypedDeployment {
  readonly version: 3;
  readonly deployment: Deployment;
}
export interface Deployment {
  readonly manifest: Manifest;
  readonly secrets_providers?: { readonly type: string; readonly state?: unknown };
  readonly resources?: readonly ResourceState[];
  readonly pending_operations?: readonly PendingOperation[];
}
export interface Manifest {
  readonly time: string;
  /** SHA-256 of `version` in hex: the format's check against files that only look like one. */
  readonly magic: string;
  readonly version: string;
}
export interface CustomTimeouts {
  /** Seconds. */
  readonly create?: number;
  readonly update?: number;
  readonly delete?: number;
}
export interface ResourceState {
  readonly urn: string;
  readonly custom: boolean;
  /** Replaced already; to be removed when an apply gets that far. */
  readonly delete?: boolean;
  readonly id?: string;
  readonly type: string;
  readonly inputs?: Properties;
  readonly outputs?: Properties;
  readonly parent?: string;
  readonly protect?: boolean;
  /** Read, not made, by this stack. */
  readonly external?: boolean;
  readonly dependencies?: readonly string[];
  /** Why the last create or update did not finish: the next apply updates it whatever the difference. */
  readonly initErrors?: readonly string[];
  /** `URN::ID` of the provider resource. */
  readonly provider?: string;
  readonly propertyDependencies?: Readonly<Record<string, readonly string[] | null>>;
  /** Deleted to make room; its replacement is still to be created. */
  readonly pendingReplacement?: boolean;
  readonly additionalSecretOutputs?: readonly string[];
  readonly aliases?: readonly string[];
  readonly customTimeouts?: CustomTimeouts;
  readonly retainOnDelete?: boolean;
  readonly created?: string;
  readonly modified?: string;
}
export interface PendingOperation {
  readonly resource: ResourceState;
  readonly type: "creating" | "updating" | "deleting";
}

/** What a store keeps: the deployment with its secrets encrypted, and a count of saves. */
export interface StackState {
  /** A save is refused (STATE_CONFLICT) unless this is one more than what the store holds; the first is 1. */
  readonly serial: number;
  readonly state: UntypedDeployment;
}
export interface StateStore {
  load(stack: StackName): Promise<StackState | null>;
  save(stack: StackName, state: StackState): Promise<void>;
  remove(stack: StackName): Promise<void>;
  list(): Promise<readonly StackName[]>;
}

/** Encrypts text for the state; `scope` is bound in, so that a ciphertext moved to another stack is refused. */
export interface SecretBox {
  encrypt(plaintext: string, scope: string): string;
  decrypt(ciphertext: string, scope: string): string;
}
