import type { Secret } from "../../core/secret.ts";

/** An event that somebody tells. */
export interface EventAddress {
  readonly repository: string;
  readonly environment: string;
  readonly event: string;
}

/** An event that was told, and proved to be its sender's. */
export interface EventDelivery {
  readonly address: EventAddress;
  /** The sender's id of it, unique per address. */
  readonly id: string;
  readonly receivedAt: Date;
  readonly body: Uint8Array;
}

/** What came of an event for one job; `job` null: for none. */
export interface EventOutcome {
  readonly job: string | null;
  readonly run: string | null;
  /** Why there is no run, in the user's words. */
  readonly problem: string | null;
}

export interface SettledDelivery extends Omit<EventDelivery, "body"> {
  /** Null while nobody has looked at it. */
  readonly outcome: readonly EventOutcome[] | null;
}

export interface EventKey {
  readonly by: string;
  readonly at: Date;
  readonly key: Secret;
}

export interface EventStore {
  /** Those that are valid, newest first. */
  keys(address: EventAddress): Promise<readonly EventKey[]>;
  /** The newest before it stays valid, those before that do not. */
  addKey(address: EventAddress, key: EventKey): Promise<void>;
  /** Ends all but the newest. */
  endFormerKeys(address: EventAddress): Promise<void>;

  /** Durable when it answers. `other`: the id was used for another body. */
  add(delivery: EventDelivery): Promise<"new" | "repeated" | "other">;
  /** What was not looked at, oldest first. */
  pending(limit: number): Promise<readonly EventDelivery[]>;
  settle(delivery: EventDelivery, outcome: readonly EventOutcome[], at: Date): Promise<void>;
  /** Newest first. */
  deliveries(address: EventAddress, limit: number): Promise<readonly SettledDelivery[]>;
  /** Forgets what was settled before; answers how many. */
  prune(before: Date): Promise<number>;
}
