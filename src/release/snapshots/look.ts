import type { CommitSha } from "../../core/names.ts";
import type { TagFacts, Snapshot } from "./snapshot.ts";
import type { EnvironmentRow, Failures, SnapshotRow } from "../store.ts";
import { liveState, rollbackTarget, type FailedSnapshot, type LiveState } from "./back.ts";
import { presentOf } from "./history.ts";

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
 * Where the deletion of tags leads to that takes back what is live (the newest content tag is among them and an older one
 * is left); null when it takes back nothing. It goes where a rollback would go. Where that would go nowhere, what was taken
 * back stays so, and else the tags that are left say what is live. All tags gone at once looks like a repository
 * replaced or unreadable, and takes back nothing.
 */
export function takesBack(
  rows: readonly SnapshotRow[],
  deleted: readonly SnapshotRow[],
  failures: Failures,
): { readonly to: LiveState; readonly passedOver: readonly FailedSnapshot[] } | null {
  const gone = new Set(deleted.map(({ number }) => number));
  const present = presentOf(rows);
  const live = liveState(present);
  const left = liveState(present.filter(({ number }) => !gone.has(number)));
  if (!live || !left || !gone.has(live.snapshot.number)) return null;
  const before = present.filter(({ number }) => !gone.has(number) || number === live.snapshot.number);
  const { target, passedOver } = rollbackTarget(before, null, failures);
  if (target) return { to: target, passedOver };
  return { to: live.snapshot.kind === "revert" ? live : left, passedOver: [] };
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
