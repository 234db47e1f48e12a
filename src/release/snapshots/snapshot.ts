import type { CommitSha } from "../../core/names.ts";

/** One snapshot tag as Git holds it, with what its message says. */
export interface Snapshot {
  readonly tag: string;
  readonly number: number;
  /** The tag object's id, or the commit's for a lightweight tag: another id under the same name is a moved tag. */
  readonly sha: string;
  readonly commit: CommitSha;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
  /** The tag that it takes back. */
  readonly reverts: string | null;
  /** The one deployment that follows it; null: all of them. */
  readonly only: string | null;
  /** Earlier tags for one deployment that hold beside it: it returns to what was live then, those included. */
  readonly keeps: readonly string[];
  readonly kind: SnapshotKind;
}

/**
 * - `deploy`: the environment goes forward to the commit.
 * - `revert`: it goes back to the commit, and stays there until released.
 * - `hold`, `release`: the content stays; only whether later pushes deploy by themselves changes.
 */
export type SnapshotKind = "deploy" | "revert" | "hold" | "release";

/** A tag as the git room reads it; what is needed of it here. */
export interface TagFacts {
  readonly tag: string;
  readonly number: number;
  readonly sha: string;
  readonly commit: CommitSha;
  readonly at: Date;
  readonly tagger: { readonly name: string } | null;
  readonly message: string;
  readonly trailers: Readonly<Record<string, string>>;
}

/** Trailers of a snapshot tag's message (design, decision 3). Git matches trailer keys without regard to case. */
export const trailerNames = {
  actor: "Waybill-Actor",
  reason: "Waybill-Reason",
  reverts: "Waybill-Reverts",
  only: "Waybill-Only",
  keeps: "Waybill-Keeps",
  hold: "Waybill-Hold",
  releases: "Waybill-Releases",
} as const;

/** Of a tag whose commit lies behind what was live before it. */
export interface GoesBack {
  /** The tag that was live. */
  readonly from: string;
  /** The tags for one deployment that held when its commit was live last. */
  readonly keeps: readonly string[];
}

/** Reads a tag. One made by hand on an older commit goes back to what was live then, although it does not say so. */
export function readSnapshot(tag: TagFacts, goesBack: GoesBack | null): Snapshot {
  const trailer = (name: string): string | null => tag.trailers[name] ?? null;
  return {
    tag: tag.tag,
    number: tag.number,
    sha: tag.sha,
    commit: tag.commit,
    at: tag.at,
    actor: trailer(trailerNames.actor) ?? tag.tagger?.name ?? "unknown",
    reason:
      trailer(trailerNames.reason) ?? trailer(trailerNames.hold) ?? releasedReason(trailer(trailerNames.releases)),
    reverts: trailer(trailerNames.reverts) ?? goesBack?.from ?? null,
    only: trailer(trailerNames.only),
    keeps: keepsOf(tag.trailers, goesBack),
    kind: kindOf(tag.trailers, goesBack !== null),
  };
}

const releasedReason = (tag: string | null): string => (tag === null ? "" : `released the hold of ${tag}`);

function keepsOf(trailers: Readonly<Record<string, string>>, goesBack: GoesBack | null): readonly string[] {
  const said = trailers[trailerNames.keeps];
  if (said !== undefined) return said.split(",").map((tag) => tag.trim());
  // Whoever writes what it takes back writes all that it means.
  const isTold = [trailerNames.reverts, trailerNames.only].some((name) => trailers[name] !== undefined);
  return isTold ? [] : (goesBack?.keeps ?? []);
}

function kindOf(trailers: Readonly<Record<string, string>>, isBack: boolean): SnapshotKind {
  if (trailers[trailerNames.hold] !== undefined) return "hold";
  if (trailers[trailerNames.releases] !== undefined) return "release";
  return trailers[trailerNames.reverts] !== undefined || isBack ? "revert" : "deploy";
}
