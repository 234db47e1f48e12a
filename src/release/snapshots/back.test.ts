import assert from "node:assert/strict";
import { test } from "node:test";
import { forward, snapshotOf, tagOf } from "../../../test/support/snapshots.ts";
import { liveState, rollbackTarget, type LiveState } from "./back.ts";
import { takesBack } from "./look.ts";
import type { Snapshot } from "./snapshot.ts";

const back = (number: number, letter: string, reverts: number, extra: Partial<Snapshot> = {}): Snapshot =>
  snapshotOf(number, letter, { kind: "revert", reverts: tagOf(reverts), ...extra });

/** `c web=b`: the commit of all, then what single deployments follow instead. */
function words(state: LiveState | null | undefined): string {
  if (!state) return "nothing";
  const letter = (one: Snapshot): string => one.commit.slice(0, 1);
  return [letter(state.snapshot), ...[...state.exceptions].map(([name, one]) => `${name}=${letter(one)}`)].join(" ");
}

const rolledBack = (tags: readonly Snapshot[], failures: ReadonlyMap<number, readonly string[]> = new Map()) =>
  words(rollbackTarget(tags, null, failures).target);

function deleted(tags: readonly Snapshot[], failures: ReadonlyMap<number, readonly string[]> = new Map()): string {
  const rows = tags.map((tag) => ({ ...tag, branch: null, subject: "", author: "", changes: [], isDeleted: false }));
  return words(takesBack(rows, rows.slice(-1), failures)?.to);
}

const webBack = [...forward, back(4, "b", 3, { only: "web" })];

test("going back brings back what single deployments followed", () => {
  const tags = [...webBack, snapshotOf(5, "d")];
  assert.deepEqual([rolledBack(tags), deleted(tags)], ["c web=b", "c web=b"]);
  const there = back(6, "c", 5, { keeps: [tagOf(4)] });
  assert.equal(words(liveState([...tags, there])), "c web=b");
  assert.equal(words(liveState([...webBack, there])), "c web=b", "with the tag that was deleted gone");
  assert.equal(rolledBack([...tags, there]), "b", "two steps back");
});

test("a tag that returns without saying what it keeps returns for all", () => {
  assert.equal(words(liveState([...webBack, snapshotOf(5, "d"), back(6, "c", 5)])), "c");
});

test("a tag keeps only earlier ones for one deployment, and newer ones count more", () => {
  const keeps = [tagOf(2), tagOf(4), tagOf(99)];
  const there = [...webBack, snapshotOf(5, "d"), back(6, "c", 5, { keeps })];
  assert.equal(words(liveState(there)), "c web=b");
  assert.equal(words(liveState([...there, back(7, "a", 4, { only: "web" })])), "c web=a");
});

test("what one deployment took back is taken back for no other", () => {
  const tags = [...webBack, snapshotOf(5, "d")];
  assert.equal(words(rollbackTarget(tags, "web", new Map()).target), "b");
  assert.equal(words(rollbackTarget(tags, "api", new Map()).target), "c");
  assert.equal(words(rollbackTarget(webBack, "web", new Map()).target), "a");
});

test("a deployment counts as failed where it followed", () => {
  const tags = [...webBack, snapshotOf(5, "d")];
  assert.equal(rolledBack(tags, new Map([[3, ["web"]]])), "c web=b", "it was taken back there");
  assert.equal(rolledBack(tags, new Map([[3, ["api"]]])), "b");
  assert.equal(rolledBack(tags, new Map([[4, ["web"]]])), "b");
});

test("a deletion goes where a rollback goes: past what failed, and never forth again", () => {
  const failed = new Map([[2, ["web"]]]);
  assert.deepEqual([rolledBack(forward, failed), deleted(forward, failed)], ["a", "a"]);
  const once = [...forward, back(4, "b", 3)];
  assert.deepEqual([rolledBack(once), deleted(once)], ["a", "a"]);
  const twice = [...once, back(5, "a", 4)];
  assert.deepEqual([rolledBack(twice), deleted(twice)], ["nothing", "a"]);
});

test("where everything before failed, a deletion goes one step back all the same", () => {
  const failed = new Map([
    [1, ["web"]],
    [2, ["web"]],
  ]);
  assert.deepEqual([rolledBack(forward, failed), deleted(forward, failed)], ["nothing", "b"]);
});

test("after going back to a number, what was live there is one step back", () => {
  assert.equal(rolledBack([...forward, back(4, "a", 3), snapshotOf(5, "d")]), "a");
  assert.equal(rolledBack([...forward, back(4, "a", 3), back(5, "b", 4)]), "a");
});
