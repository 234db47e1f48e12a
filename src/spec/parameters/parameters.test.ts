import assert from "node:assert/strict";
import { test } from "node:test";
import { processorTimer } from "../../../test/support/processor-time.ts";
import { formatPath } from "../problem.ts";
import { parameterProblems } from "./parameters.ts";

const shown = (schema: unknown, values: unknown): string[] =>
  parameterProblems(schema, values).map(({ code, path, message }) => `${code} ${formatPath(path)}: ${message}`);

const schema = {
  type: "object",
  properties: {
    epochs: { type: "integer", minimum: 1 },
    day: { type: "string", format: "date" },
    label: { type: "string", pattern: "^[a-z]+$" },
  },
  additionalProperties: false,
};

test("says what is wrong with values", () => {
  assert.deepEqual(shown(schema, { epochs: 3, day: "2026-01-01", label: "abc" }), []);
  assert.deepEqual(shown(schema, { epochs: 0, day: "tomorrow", label: "ABC", epoch: 1 }), [
    'PARAMETER_INVALID epoch: "epoch" is not a field of the set of parameters. Did you mean "epochs"?',
    "PARAMETER_INVALID epochs: epochs must be at least 1, found 0",
    'PARAMETER_INVALID day: day must be of format date, found "tomorrow"',
    'PARAMETER_INVALID label: label "ABC" is not text that matches ^[a-z]+$',
  ]);
});

test("a set without fields has none", () => {
  assert.deepEqual(shown({ type: "object", additionalProperties: false }, { epochs: 1 }), [
    'PARAMETER_INVALID epochs: "epochs" is not a field of the set of parameters. It has none.',
  ]);
});

test("a choice that nothing fits is one problem", () => {
  const choice = { properties: { size: { anyOf: [{ type: "integer" }, { enum: ["all", "none"] }] } } };
  assert.deepEqual(shown(choice, { size: "some" }), [
    'PARAMETER_INVALID size: size fits none, or more than one, of the shapes that its schema offers, found "some"',
  ]);
});

test("says what is wrong with a schema", () => {
  assert.deepEqual(shown({ properties: { a: { type: "text" } } }, {}).length, 1);
  assert.deepEqual(shown({ requird: ["a"] }, {}), [
    'PARAMETER_SCHEMA : the schema of parameters is not JSON Schema 2020-12: unknown keyword: "requird"',
  ]);
  assert.deepEqual(shown({ properties: { a: { pattern: "^(?=b)" } } }, {}), [
    'PARAMETER_PATTERN properties.a.pattern: pattern "^(?=b)" cannot be matched in linear time: it looks ahead or back, or sets flags',
  ]);
  assert.deepEqual(shown({ $ref: "https://example.org/schema" }, {}), [
    'PARAMETER_SCHEMA ["$ref"]: $ref "https://example.org/schema" leads out of the schema: use $defs',
  ]);
});

test("hostile schemas and values get an answer at once", () => {
  const doubling: Record<string, unknown> = { end: {} };
  for (let level = 0; level < 40; level += 1) {
    const next = level === 39 ? "end" : `level${level + 1}`;
    doubling[`level${level}`] = { allOf: [{ $ref: `#/$defs/${next}` }, { $ref: `#/$defs/${next}` }] };
  }
  const cases: [unknown, unknown][] = [
    [{ properties: { a: { pattern: "^(a+)+$" } } }, { a: `${"a".repeat(500_000)}!` }],
    [{ patternProperties: { "^(a|a)*$": {} }, additionalProperties: false }, { [`${"a".repeat(100_000)}!`]: 1 }],
    [{ $ref: "#" }, {}],
    [{ $ref: "#/$defs/default", $defs: { default: { $ref: "#/$defs/default" } } }, {}],
    [{ $ref: "#/$defs/properties", $defs: { properties: { $ref: "#/$defs/properties" } } }, {}],
    [{ $ref: "#/$defs/level0", $defs: doubling }, {}],
    [{ properties: { a: { uniqueItems: true } } }, { a: Array.from({ length: 40_000 }, (_, index) => [index]) }],
    [{ items: Array.from({ length: 5000 }, () => ({ type: "object" })) }, []],
    [{ properties: { a: { const: 1 } }, pattern: "(".repeat(50_000) }, {}],
    [{ pattern: `${"(".repeat(5000)}a${")".repeat(5000)}` }, {}],
    [{ pattern: "((((a{1000}){1000}){1000}){1000}){1000}" }, {}],
  ];
  for (const [index, [schema, values]] of cases.entries()) {
    const processorMs = processorTimer();
    assert.notDeepEqual(parameterProblems(schema, values), [], `case ${index}`);
    const took = processorMs();
    assert.ok(took < 2000, `case ${index} took ${took} ms`);
  }
});

test("what is remembered answers the same", () => {
  for (let round = 0; round < 3; round += 1) {
    assert.equal(parameterProblems(structuredClone(schema), { epochs: 0 }).length, 1);
    assert.deepEqual(parameterProblems(structuredClone(schema), {}), []);
  }
});
