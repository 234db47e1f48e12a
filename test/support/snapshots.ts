import { commitSha } from "../../src/core/names.ts";
import type { Snapshot } from "../../src/release/snapshots/snapshot.ts";

export const tagOf = (number: number): string => `waybill/production/${number}`;

/** A snapshot of production; `letter` stands for its commit. */
export const snapshotOf = (number: number, letter: string, extra: Partial<Snapshot> = {}): Snapshot => ({
  tag: tagOf(number),
  number,
  sha: `${number}`,
  commit: commitSha(letter.repeat(40)),
  at: new Date(number * 1000),
  actor: "ada",
  reason: "",
  reverts: null,
  only: null,
  keeps: [],
  kind: "deploy",
  ...extra,
});

/** Three deploys, of which nothing was taken back. */
export const forward: readonly Snapshot[] = [snapshotOf(1, "a"), snapshotOf(2, "b"), snapshotOf(3, "c")];
