import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { packageRoot } from "../../core/package-root.ts";
import { parseCarefully } from "./careful.ts";
import { parseQuickly } from "./quick.ts";

const runs = Number(process.env.FUZZ_RUNS ?? 20_000);

/** What is read quickly must be what is read carefully. Answers whether it was read quickly at all. */
function agrees(text: string): boolean {
  // A decoded file never holds half a surrogate pair.
  if (!text.isWellFormed()) return false;
  const quick = parseQuickly(text);
  if (quick === undefined) return false;
  const careful = parseCarefully(text);
  assert.deepEqual(careful.faults, [], JSON.stringify(text));
  const documents = careful.documents.map(({ value, line }) => ({ value, line }));
  assert.deepEqual(quick, documents, JSON.stringify(text));
  for (const { ambiguous } of careful.documents) assert.deepEqual(ambiguous, []);
  return true;
}

const folder = join(packageRoot, "fixtures/spec/valid");
const samples = readdirSync(folder)
  .filter((name) => name.endsWith(".yaml"))
  .map((name) => readFileSync(join(folder, name), "utf8"));

test("reads the valid fixtures as the careful parser does", () => {
  const quick = samples.filter((text) => agrees(text));
  assert.ok(quick.length * 2 > samples.length, `only ${quick.length} of ${samples.length} are read quickly`);
});

// Lines and pieces of lines in which block structure, scalars and comments meet in every order.
const pieces = `a|b|key|-|- |- a|: |:|a: |b: |c:| |  |    |\n|\n|\n  |\n- |#| # x|"|'|''|\\"|\\n|"x"|'y'|[|]|{|}|,|, |[a, b]|{a: b}|{}|[]
|1|-1|0|01|1.5|1.50|1e3|0x1f|.5|.|true|null|~|---|---\n|...|...\n|&x |*x|!t |%|@|?|? |<<: |é|😀|\t|\r\n|\u0085|\u2028|\ufeff
|__proto__: |constructor: |a:b|a#b|/|=|+`;
const piece = fc.constantFrom("|", "|-", "|\n", ">\n", ">-\n", "`", ...pieces.split("|"));

test("agrees with the careful parser on texts of random pieces", () => {
  let quick = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
      quick += agrees(`k: ${pieces.join("")}\n`) ? 1 : 0;
      quick += agrees(pieces.join("")) ? 1 : 0;
    }),
    { numRuns: runs },
  );
  assert.ok(quick > runs / 100, `only ${quick} were read quickly`);
});

// Mostly well-formed lines, indented at random: nesting, lists at the level of their key, text blocks, what ends them.
const values = `;;;x;1;x y;x # no;|;|-;>;>-;[1, x];{a: 1, b: [x]};"q";'q'; # no`;
const value = fc.constantFrom(...values.split(";"));
const key = fc.constantFrom("a:", "b:", "c:", "d:", "e:", "f:", "g:", "h:", '"i":');
const content = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(key, value).map(([key, value]) => `${key} ${value}`) },
  { weight: 2, arbitrary: value.map((value) => `- ${value}`) },
  { weight: 2, arbitrary: fc.tuple(key, value).map(([key, value]) => `- ${key} ${value}`) },
  { weight: 2, arbitrary: fc.constantFrom("text", "# no", "", " ", "---", "...", "x: y: z", "- - x", "  text") },
);
const indent = fc.constantFrom("", "", "", "", "", "  ", "  ", "  ", "    ", " ");
const line = fc.tuple(indent, content).map(([indent, content]) => indent + content);

test("agrees with the careful parser on texts of random lines", () => {
  let quick = 0;
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), fc.boolean(), (lines, isEnded) => {
      quick += agrees(lines.join("\n") + (isEnded ? "\n" : "")) ? 1 : 0;
    }),
    { numRuns: runs },
  );
  assert.ok(quick > runs / 50, `only ${quick} were read quickly`);
});

test("agrees with the careful parser on fixtures with a few characters changed", () => {
  let quick = 0;
  const change = fc.record({ where: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(3), put: piece });
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.array(change, { minLength: 1, maxLength: 3 }), (sample, changes) => {
      let text = sample;
      for (const { where, cut, put } of changes) {
        const at = Math.floor(where * text.length);
        text = text.slice(0, at) + put + text.slice(at + cut);
      }
      quick += agrees(text) ? 1 : 0;
    }),
    { numRuns: Math.ceil(runs / 10) },
  );
  assert.ok(quick > runs / 100, `only ${quick} were read quickly`);
});
