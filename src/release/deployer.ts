import type { StackName } from "../core/stack.ts";
import type { Repository } from "../git/repository.ts";
import type { FieldChange } from "./define/differences.ts";
import type { Workload, WorkloadStatus } from "./workload.ts";

/** What release needs of a target and its engine. Implementations must be safe to call again after any interruption. */
export interface Deployer {
  /**
   * Makes the target match the workload, and resolves once its new revision has taken the route. Rejects with a
   * WaybillError whose verdict decides about retries; what ran before then still runs.
   */
  apply(workload: Workload, options: DeployOptions): Promise<Applied>;
  /**
   * Said when an apply of the workload is about to come, while Git and the database are still at work: may begin what
   * takes time. Nobody waits for it, and what no apply asks for is undone. Said twice for most pushes.
   */
  prepare?(workload: Workload, ahead: Ahead): void;
  /** Removes everything that was applied for the stack; nothing there is no error. */
  remove(stack: StackName, options: DeployOptions): Promise<void>;
  /** What is accepted but cannot be applied, and what applying it means, in the user's words. */
  notices(workload: Workload, action?: "create" | "update" | "replace"): readonly string[];
  /**
   * How to ask the workload's target what applying it would change there; changes nothing, and rejects when it cannot be
   * asked. Null, or absent: there is nobody to ask.
   */
  preview?(workload: Workload): ((signal: AbortSignal) => Promise<Preview>) | null;
  /**
   * After a rejection with the verdict `waiting`: resolves when trying again may succeed, or when the signal aborts.
   * Absent: only time tells.
   */
  changed?(stack: StackName, signal: AbortSignal): Promise<void>;
}

/** What a target answers before anything is changed. No secret is in it. */
export interface Preview {
  readonly objects: readonly ObjectChange[];
  /** What else it says, in its words. */
  readonly notices: readonly string[];
  /** Why an apply would surely be refused; null where none would be, or nobody knows. */
  readonly refusal: string | null;
}

/** One object at a target, as an apply would change it. */
export interface ObjectChange {
  /** `replace`: another object takes its place. */
  readonly action: "create" | "update" | "replace" | "delete";
  /** As the target calls it, `Deployment`. */
  readonly kind: string;
  readonly name: string;
  /** The name of the one that it takes the place of, where that is another. */
  readonly was?: string;
  readonly fields: readonly FieldChange[];
  /** What the target fills in, or makes otherwise than asked (`from`); only of new objects. */
  readonly filled: readonly FieldChange[];
}

export interface Ahead {
  /** Reads the workload's source tree: what is not stored yet is not where other trees are. */
  readonly files: Pick<Repository, "materialise">;
  /** False while Git has not stored the push yet: it was accepted, and may still fail to be written. */
  readonly isStored: boolean;
}

export interface DeployOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** What was applied last for the stack, and runs unless it was stopped. */
  readonly previous?: Workload | null;
  /** Puts back what others changed of what the last apply made: unchanged inputs are applied again where they did. */
  readonly restore?: boolean;
}

export interface Progress {
  /** Set when the deployment's state changes with it. */
  readonly state?: "building" | "starting";
  readonly message: string;
}

export interface Applied {
  readonly url: string | null;
  readonly status: WorkloadStatus;
}
