import assert from "node:assert/strict";
import { test } from "node:test";
import { keepableText, unkeepable } from "./text.ts";

test("what no database keeps is found wherever it stands, and nothing else", () => {
  const nul = "holds the character U+0000: leave it out";
  const half = "holds half of a surrogate pair (U+D800 to U+DFFF): leave it out";
  assert.equal(unkeepable({ a: [1, { b: "x\0" }] }), nul);
  assert.equal(unkeepable({ "a\0": 1 }), nul);
  assert.equal(unkeepable("\ud800"), half);
  assert.equal(unkeepable(["\udc00\ud800"]), half);
  for (const kept of [null, 1, "", "\\u0000", "\\ud800", "😀", { a: ["\u{10ffff}", true] }]) {
    assert.equal(unkeepable(kept), null);
  }
});

test("what is nested too deep is found without going as deep", () => {
  const nested = JSON.parse("[".repeat(200_000) + "]".repeat(200_000)) as unknown;
  assert.equal(unkeepable(nested), "is nested more than 1000 deep: make it flatter");
});

test("what others wrote is shown with what cannot be kept replaced", () => {
  assert.equal(keepableText("a\0b\ud800c😀"), "a\u2400b\ufffdc😀");
});
