import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compilePattern, PatternTooSlow } from "./pattern.ts";
import { PatternRefused } from "./pattern-syntax.ts";

const plenty = () => ({ steps: 1e7 });
const text = fc.string({
  unit: fc.constantFrom("a", "b", "c", "-", " ", "1", "\n", "_", "😀", "é", "("),
  maxLength: 12,
});

const atom = fc.constantFrom(
  "a",
  "b",
  "\\d",
  "\\w",
  "\\S",
  ".",
  "[ab]",
  "[^a-c]",
  "[\\]\\d]",
  "\\b",
  "^",
  "$",
  "😀",
  "\\u{1F600}",
  "\\(",
  "\\n",
  "\\p{L}",
);
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    atom,
    fc.tuple(tie("pattern"), tie("pattern")).map((parts) => parts.join("")),
    fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?"))
      .map(([a, q]) => `(${a})${q}`),
    fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `${a}|${b}`),
  ),
}));

test("matches what RegExp matches", () => {
  fc.assert(
    fc.property(pattern, text, (pattern, text) => {
      assert.equal(compilePattern(pattern)(text, plenty()), new RegExp(pattern, "u").test(text));
    }),
    { numRuns: 5000 },
  );
});

test("stays linear where backtracking explodes", () => {
  for (const source of ["^(a+)+$", "^(a|a)*$", "(a*)*b", "^(?:a?){50}a{50}$", "^(\\w+\\s?)*$"]) {
    const budget = plenty();
    compilePattern(source)(`${"a".repeat(5000)}!`, budget);
    assert.ok(1e7 - budget.steps < 2e6, source);
  }
});

test("stops when its budget is spent", () => {
  assert.throws(() => compilePattern("^(a+)+$")("a".repeat(5000), { steps: 1000 }), PatternTooSlow);
});

test("refuses what cannot be matched in linear time", () => {
  for (const source of [
    "(?=a)",
    "(?!a)",
    "(?<=a)b",
    "(?<!a)b",
    "(a)\\1",
    "(?<x>a)\\k<x>",
    "(?i:a)",
    "(?:(?:a{100}){100}){100}",
  ]) {
    assert.throws(() => compilePattern(source), PatternRefused, source);
  }
  assert.throws(() => compilePattern("("), SyntaxError);
  assert.ok(compilePattern("(((){2000}){2000}){2000}")("", plenty()));
});
