import type { Access } from "../access/access.ts";
import type { Clock } from "../core/clock.ts";
import type { Identity } from "../core/identity.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import type { StackName } from "../core/stack.ts";
import type { Release } from "../release/release.ts";
import type { Runs } from "../runs/runs.ts";
import type { Events } from "../runs/triggers/events.ts";
import type { AccessRule } from "../targets/route.ts";
import type { LogRequest } from "../targets/target.ts";
import type { LogLine } from "../targets/workload.ts";

/** Everything that the API and the pages call; serve.ts hands it in. */
export interface HttpDependencies {
  readonly release: Release;
  readonly runs: Runs;
  readonly events: Events;
  readonly access: HttpAccess;
  /** Who may see a deployment; null when nothing is known of it, and then only members do. */
  readonly accessRule: (stack: StackName) => Promise<AccessRule | null>;
  readonly git: { handle(request: Request, identity: Identity): Promise<Response> };
  readonly webhooks: { receive(request: Request, repository: string): Promise<Response> };
  /** Serves source trees to whoever holds an address that the server has signed. */
  readonly sources: { handle(request: Request, repository: string, file: string): Promise<Response> };
  readonly logs: LogReader;
  readonly secrets: SecretShelf;
  readonly stacks: StackShelf;
  readonly clock: Clock;
  readonly log: Log;
  /** Where people find this server: `http://localhost:8080`. */
  readonly publicUrl: string;
  /** Aborted when the server stops: ends every stream. */
  readonly signal: AbortSignal;
}

/** `lines` of what was said last, and then, with `follow`, what is said until the signal aborts. */
export type LogReader = (stack: StackName, options: LogRequest) => AsyncIterable<LogLine>;

export interface SecretView {
  readonly name: string;
  /** Null when every environment of the repository has it. */
  readonly environment: string | null;
  readonly version: number;
  readonly updatedAt: string;
}

export interface SecretScope {
  readonly repository: string;
  readonly environment: string | null;
}

export interface SecretShelf {
  set(request: SecretScope & { name: string; value: Secret; actor: Identity }): Promise<SecretView>;
  list(repository: string): Promise<readonly SecretView[]>;
  /** Throws `NOT_FOUND` when there is none. */
  remove(request: SecretScope & { name: string; actor: Identity }): Promise<void>;
}

/** Deployments' Pulumi states, in Pulumi's deployment format. */
export interface StackShelf {
  /** Null when there is none. */
  export(stack: StackName, options: { readonly showSecrets: boolean }): Promise<object | null>;
  /** Throws STATE_INVALID for what is no state of this stack, STACK_BUSY while it is worked on. */
  import(stack: StackName, state: unknown): Promise<void>;
}

/** Who someone is: as far as the API and the pages ask. */
export type HttpAccess = Pick<
  Access,
  | "authenticate"
  | "signInWithPassword"
  | "signInWithToken"
  | "inspectLink"
  | "redeemLink"
  | "continueSignIn"
  | "finishHostSession"
  | "signOut"
  | "setPassword"
  | "invite"
  | "listUsers"
  | "removeUser"
  | "createToken"
  | "listTokens"
  | "revokeToken"
>;
