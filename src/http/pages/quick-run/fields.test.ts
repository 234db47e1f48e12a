import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleJob } from "../../../../test/support/fake-runs.ts";
import { fixedParameters, formFields, readFields, type Field } from "./fields.ts";

const { spec } = sampleJob();
const typedOf = (typed: Record<string, string>) => (input: string) => typed[input] ?? "";
const byName = (fields: readonly Field[], name: string): Field => {
  const field = fields.find(({ parameter }) => parameter === name);
  assert.ok(field, name);
  return field;
};

test("a schema makes a field for each parameter that a run may set", () => {
  const fields = formFields(spec);
  assert.deepEqual(
    fields.map(({ parameter, kind, initial }) => [parameter, kind, initial]),
    [
      ["epochs", "integer", "3"],
      ["rate", "number", ""],
      ["label", "text", ""],
      ["mode", "choice", ""],
      ["dry", "choice", "false"],
      ["key", "secret", ""],
      ["layers", "json", ""],
    ],
  );
  assert.equal(byName(fields, "epochs").description, "How often it sees everything");
  assert.equal(byName(fields, "epochs").isRequired, false, "its file has a value");
  assert.equal(byName(fields, "label").label, "Label");
  assert.deepEqual(byName(fields, "mode").choices, ['"fast"', '"careful"']);
  assert.deepEqual(fixedParameters(spec), [["table", "orders"]]);
});

test("what is typed arrives as values of its kind; what stays empty is not there", () => {
  const typed = {
    "parameter-epochs": " 12 ",
    "parameter-rate": "1e-3",
    "parameter-label": " as it is ",
    "parameter-mode": '"fast"',
    "parameter-dry": "true",
    "parameter-key": "api-key",
    "parameter-layers": "[1, 2]",
  };
  const { values, faults } = readFields(formFields(spec), typedOf(typed));
  assert.deepEqual(values, {
    epochs: 12,
    rate: 0.001,
    label: " as it is ",
    mode: "fast",
    dry: true,
    key: { secret: "api-key" },
    layers: [1, 2],
  });
  assert.equal(faults.size, 0);
  assert.deepEqual(readFields(formFields(spec), typedOf({})).values, {});
});

const wrong = [
  ["epochs", "many", /"many" is no number/],
  ["epochs", "1.5", /"1.5" is no whole number/],
  ["epochs", "9007199254740993", /larger than 9007199254740991/],
  ["rate", "0x10", /is no number/],
  ["rate", "1e999", /is no number/],
  ["mode", "fast", /none of the choices/],
  ["layers", "[1,", /no JSON/],
] as const;

for (const [name, text, message] of wrong) {
  test(`${name}: ${text} is answered beside its field`, () => {
    const { values, faults } = readFields(formFields(spec), typedOf({ [`parameter-${name}`]: text }));
    assert.match(faults.get(`parameter-${name}`) ?? "", message);
    assert.equal(Object.hasOwn(values, name), false);
  });
}

test("parameters that a schema does not name are one map, and no name is too odd", () => {
  const parameters = {
    schema: { type: "object", properties: { __proto__x: { type: "string" } }, required: ["__proto__x"] },
    values: { rows: 100 },
  };
  const fields = formFields({ ...spec, parameters });
  assert.deepEqual(
    fields.map(({ input, initial }) => [input, initial]),
    [
      ["parameter-__proto__x", ""],
      ["further", '{\n  "rows": 100\n}'],
    ],
  );
  const { values, faults } = readFields(fields, typedOf({ further: '{"__proto__": 1, "rows": 5}' }));
  assert.deepEqual(Object.entries(values), [
    ["__proto__", 1],
    ["rows", 5],
  ]);
  assert.deepEqual([...faults], [["parameter-__proto__x", "This one is needed."]]);
  assert.match(readFields(fields, typedOf({ further: "[]" })).faults.get("further") ?? "", /no map/);
});

test("another run's values are shown in place of the file's, lines as lines, what does not fit as JSON", () => {
  const fields = formFields(spec, { epochs: "seven", label: "two\nlines", key: { secret: "other" } });
  assert.deepEqual(
    ["epochs", "label", "key", "dry"].map((name) => [byName(fields, name).kind, byName(fields, name).initial]),
    [
      ["json", '"seven"'],
      ["lines", "two\nlines"],
      ["secret", "other"],
      ["choice", ""],
    ],
  );
  const { values } = readFields(fields, typedOf({ "parameter-label": "two\r\nlines" }));
  assert.equal(values["label"], "two\nlines");
});
