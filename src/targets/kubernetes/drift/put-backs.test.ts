import assert from "node:assert/strict";
import { test } from "node:test";
import type { Drift } from "./find-drift.ts";
import { makePutBacks } from "./put-backs.ts";

const drift = (more: Partial<Drift> = {}): Drift => ({
  urn: "urn",
  object: "Deployment shop--production/web",
  field: "spec.replicas",
  wanted: 1,
  found: 5,
  by: "kubectl",
  at: null,
  note: "",
  isResting: false,
  ...more,
});

test("what is changed again and again is put back ever later, and who does it is named", () => {
  const putBacks = makePutBacks();
  const one = [drift()];
  const delays: (number | null)[] = [];
  let nowMs = 0;
  for (let round = 0; round < 6; round += 1) {
    const delayMs = putBacks.delayMs(one, nowMs) ?? 0;
    delays.push(delayMs);
    nowMs += delayMs;
    putBacks.note(one, nowMs);
  }
  assert.deepEqual(delays, [0, 10_000, 20_000, 40_000, 80_000, 160_000]);
  assert.match(putBacks.words(drift(), nowMs), /^put back 6 times, and kubectl changes it again/);
  assert.equal(putBacks.delayMs([drift({ field: "metadata.labels" })], nowMs), 0);
});

test("after a quarter of an hour of peace it is put back at once", () => {
  const putBacks = makePutBacks();
  putBacks.note([drift()], 0);
  assert.equal(putBacks.delayMs([drift()], 16 * 60_000), 0);
  assert.equal(putBacks.words(drift(), 16 * 60_000), "");
});

test("what sleeps is left alone", () => {
  const putBacks = makePutBacks();
  assert.equal(putBacks.delayMs([drift({ isResting: true })], 0), null);
  assert.equal(putBacks.words(drift({ isResting: true }), 0), "put back once it runs");
});
