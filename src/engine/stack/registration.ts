import type { Properties } from "../provider.ts";
import type { AliasSpec } from "../value/urn.ts";

/** One resource as the program declared it: a RegisterResource request, decoded and found servable. */
export interface Registration {
  readonly type: string;
  readonly name: string;
  /** False: a component, which has no provider. */
  readonly custom: boolean;
  /** URN, or empty for the stack itself. */
  readonly parent: string;
  readonly inputs: Properties;
  readonly protect: boolean;
  readonly dependencies: readonly string[];
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  /** `URN::ID` of an explicit provider, or empty for the default one. */
  readonly provider: string;
  /** Version of the package that the program was written with, or empty. */
  readonly version: string;
  /** Null: as the provider says. */
  readonly deleteBeforeReplace: boolean | null;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly aliases: readonly (string | AliasSpec)[];
  readonly retainOnDelete: boolean;
  /** Seconds, by operation. */
  readonly timeouts: Readonly<Partial<Record<"create" | "update" | "delete", number>>>;
}

/** What the program learns. Not `done`: its outputs stay unknown, so that nothing is built on them. */
export interface Registered {
  readonly outcome: "done" | "failed" | "skipped";
  readonly urn: string;
  /** Empty: not known yet, or a component. */
  readonly id: string;
  readonly outputs: Properties;
}
