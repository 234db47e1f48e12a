import type { RepositoryName } from "../core/names.ts";

/** Why a repository is looked at. */
export type LookReason = "push" | "webhook" | "poll" | "start";

/** Looks at a repository now: fetches what is elsewhere, deploys what is new. Doing it once too often changes nothing. */
export type Look = (repository: RepositoryName, reason: LookReason) => Promise<void>;

/** A webhook that was verified. Its body is not kept: it is trusted only to say "look now". */
export interface Delivery {
  readonly repository: RepositoryName;
  /** The sender's id of this delivery; unique per repository. */
  readonly id: string;
  readonly event: string;
  readonly receivedAt: Date;
  /** SHA-256 of the body, in hex: to find a delivery in the sender's list. */
  readonly bodyDigest: string;
}

export interface DeliveryStore {
  /** False: it was stored before. Durable when it answers. */
  add(delivery: Delivery): Promise<boolean>;
  /** What was stored and not processed yet, oldest first. */
  pending(): Promise<readonly Delivery[]>;
  markProcessed(deliveries: readonly Delivery[], at: Date): Promise<void>;
  /** Forgets what was processed before `before`; answers how many. */
  prune(before: Date): Promise<number>;
}
