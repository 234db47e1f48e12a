import type { Identity } from "../core/identity.ts";
import type { RepositoryName } from "../core/names.ts";
import type { RefView } from "../git/refs.ts";
import type { Repository } from "../git/repository.ts";

/** One ref that a push asks to change. Null: the ref is absent. */
export interface RefUpdate {
  /** The full name: `refs/heads/main`. */
  readonly ref: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Push {
  readonly id: string;
  readonly repository: RepositoryName;
  readonly identity: Identity;
  readonly updates: readonly RefUpdate[];
  /** Sees the pushed objects: in `check` before they are accepted, in `follow` as the repository itself. */
  readonly objects: Repository;
  /** The refs as this push leaves them, where that is known without reading them again; only in `follow`. */
  readonly refs?: RefView;
}

export interface Verdict {
  readonly accept: boolean;
  readonly lines: readonly string[];
}

/** Decides on pushes and tells the pusher what becomes of them. */
export interface PushGate {
  /** All or nothing: a push that is not accepted changes no ref. The lines are shown either way. */
  check(push: Push): Promise<Verdict>;
  /**
   * Called once the refs have changed, with those that did. Its lines reach the pusher as they come; when nobody
   * listens any more, the iteration goes on to its end all the same. The signal aborts only when the server stops.
   */
  follow(push: Push, signal: AbortSignal): AsyncIterable<string>;
}
