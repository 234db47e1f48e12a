import assert from "node:assert/strict";
import { test } from "node:test";
import { forward, snapshotOf } from "../../../test/support/snapshots.ts";
import { commitSha } from "../../core/names.ts";
import { rollbackTarget } from "./back.ts";
import { fold } from "./fold.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";

test("without tags nothing is desired", () => {
  assert.deepEqual(fold([]), { base: null, exceptions: new Map(), hold: null, highest: 0 });
});

test("the highest number wins, in whatever order tags come", () => {
  assert.equal(fold(forward.toReversed()).base?.number, 3);
});

test("a revert is live and holds the environment; a later deploy lets go", () => {
  const reverted = [...forward, snapshotOf(4, "b", { kind: "revert", reverts: "waybill/production/3" })];
  assert.equal(fold(reverted).base?.number, 4);
  assert.deepEqual(fold(reverted).hold, {
    by: "ada",
    reason: "rolled back by waybill/production/4",
    since: new Date(4000),
  });
  assert.equal(fold([...reverted, snapshotOf(5, "d")]).hold, null);
});

test("hold and release leave the content alone", () => {
  const held = [...forward, snapshotOf(4, "c", { kind: "hold", reason: "demo at noon" })];
  assert.equal(fold(held).base?.number, 3);
  assert.equal(fold(held).hold?.reason, "demo at noon");
  const released = [...held, snapshotOf(5, "c", { kind: "release" })];
  assert.equal(fold(released).base?.number, 3);
  assert.equal(fold(released).hold, null);
});

test("a tag for one deployment is an exception until the next full one", () => {
  const one = [...forward, snapshotOf(4, "a", { kind: "revert", only: "web" })];
  assert.equal(fold(one).base?.number, 3);
  assert.equal(fold(one).exceptions.get("web")?.number, 4);
  assert.notEqual(fold(one).hold, null);
  assert.equal(fold([...one, snapshotOf(5, "d")]).exceptions.size, 0);
});

test("holding after a rollback of one deployment keeps that rollback", () => {
  const tags = [...forward, snapshotOf(4, "a", { kind: "revert", only: "web" }), snapshotOf(5, "c", { kind: "hold" })];
  assert.equal(fold(tags).exceptions.get("web")?.number, 4);
});

const goesBackTo = (snapshots: readonly Snapshot[]) =>
  rollbackTarget(snapshots, null, new Map()).target?.snapshot.number;

test("rolling back twice goes two steps back", () => {
  assert.equal(goesBackTo(forward), 2);
  const once = [...forward, snapshotOf(4, "b", { kind: "revert" })];
  assert.equal(goesBackTo(once), 1);
  const twice = [...once, snapshotOf(5, "a", { kind: "revert" })];
  assert.equal(goesBackTo(twice), undefined);
});

test("what was taken back is no step back later", () => {
  const after = [
    ...forward,
    snapshotOf(4, "b", { kind: "revert", reverts: "waybill/production/3" }),
    snapshotOf(5, "d"),
  ];
  assert.equal(goesBackTo(after), 2);
});

test("a snapshot of the same commit again is no step back", () => {
  assert.equal(goesBackTo([...forward, snapshotOf(4, "c")]), 2);
});

test("a tag made by hand on an older commit is a revert", () => {
  const facts = {
    tag: "waybill/production/4",
    number: 4,
    sha: "4",
    commit: commitSha("a".repeat(40)),
    at: new Date(0),
    tagger: null,
  };
  assert.equal(
    readSnapshot({ ...facts, message: "", trailers: {} }, { from: "waybill/production/3", keeps: [] }).kind,
    "revert",
  );
  assert.equal(readSnapshot({ ...facts, message: "", trailers: {} }, null).kind, "deploy");
  assert.equal(readSnapshot({ ...facts, message: "", trailers: { "Waybill-Hold": "why" } }, null).reason, "why");
});

test("a snapshot whose deploy failed is passed over, for all or for the deployment that failed", () => {
  const failures = new Map([
    [1, ["api"]],
    [2, ["web"]],
  ]);
  const back = (only: string | null, known = failures) => {
    const { target, passedOver } = rollbackTarget(forward, only, known);
    return [
      target?.snapshot.number ?? null,
      passedOver.map(({ snapshot, deployments }) => [snapshot.number, deployments]),
    ];
  };
  assert.deepEqual(back(null, new Map([[2, ["web"]]])), [1, [[2, ["web"]]]]);
  assert.deepEqual(back("web"), [1, [[2, ["web"]]]]);
  assert.deepEqual(back("api"), [2, []]);
  assert.deepEqual(back(null), [
    null,
    [
      [2, ["web"]],
      [1, ["api"]],
    ],
  ]);
});
