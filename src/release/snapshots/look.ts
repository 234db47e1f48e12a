import type { CommitSha } from "../../core/names.ts";
import type { TagFacts, Snapshot } from "./snapshot.ts";
import type { EnvironmentRow, SnapshotRow } from "../store.ts";
import { fold } from "./fold.ts";

/** How the tags that Git has now differ from those seen before. */
export interface TagNews<Tag extends TagFacts> {
  /** Not seen before, in the order of their numbers. */
  readonly added: readonly Tag[];
  /** Seen before and gone now. */
  readonly deleted: readonly SnapshotRow[];
  /** Under a name that stood for another object: refused, what was seen first counts. */
  readonly moved: readonly { readonly tag: Tag; readonly was: SnapshotRow }[];
  /** Under a number that was used and deleted before: refused. */
  readonly reused: readonly Tag[];
}

/** Compares tags with rows. Pure. */
export function compareTags<Tag extends TagFacts>(tags: readonly Tag[], rows: readonly SnapshotRow[]): TagNews<Tag> {
  const rowByNumber = new Map(rows.map((row) => [row.number, row]));
  const news = { added: [] as Tag[], moved: [] as { tag: Tag; was: SnapshotRow }[], reused: [] as Tag[] };
  for (const tag of tags.toSorted((a, b) => a.number - b.number)) {
    const was = rowByNumber.get(tag.number);
    if (!was) news.added.push(tag);
    else if (was.isDeleted) news.reused.push(tag);
    else if (was.sha !== tag.sha) news.moved.push({ tag, was });
  }
  const present = new Set(tags.map(({ number }) => number));
  const deleted = rows.filter((row) => !row.isDeleted && !present.has(row.number));
  return { ...news, deleted };
}

/**
 * Whether the deletion of tags takes back what is live (the newest content tag is among them and an older one is
 * left). All tags gone at once looks like a repository replaced or unreadable, and takes back nothing.
 */
export function takesBack(rows: readonly SnapshotRow[], deleted: readonly SnapshotRow[]): Snapshot | null {
  const gone = new Set(deleted.map(({ number }) => number));
  const live = fold(rows.filter(({ isDeleted }) => !isDeleted)).base;
  const left = fold(rows.filter((row) => !row.isDeleted && !gone.has(row.number))).base;
  return live && left && gone.has(live.number) ? left : null;
}

/** What to do about a branch's head. */
export type HeadDecision =
  | { readonly type: "nothing" }
  /** Remember it; what it holds is live already. */
  | { readonly type: "observe" }
  | { readonly type: "wait"; readonly reason: string }
  /** Check it, and name it by a snapshot tag if it may be deployed. */
  | { readonly type: "consider" };

interface HeadFacts {
  readonly head: CommitSha;
  /** Null when the environment was never looked at before. */
  readonly row: EnvironmentRow | null;
  readonly live: Snapshot | null;
  readonly holdReason: string | null;
}

/** Only a changed head is news. One that is found beside existing snapshots at the first look waits for a person. */
export function decideHead({ head, row, live, holdReason }: HeadFacts): HeadDecision {
  if (row?.observedHead === head) return { type: "nothing" };
  if (live?.commit === head) return { type: "observe" };
  if (live && !row?.observedHead) return { type: "wait", reason: "it was found when the repository was first read" };
  if (holdReason !== null) return { type: "wait", reason: `the environment is on hold: ${holdReason}` };
  return { type: "consider" };
}
