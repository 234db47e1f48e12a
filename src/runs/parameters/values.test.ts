import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../../test/support/workloads.ts";
import type { ResolvedJob } from "../../spec/resolved.ts";
import type { ParameterValues } from "../run.ts";
import { parameterEnvironment } from "./environment.ts";
import { parameterFaults, refuseUnfit, runParameters, secretParameters } from "./values.ts";

function jobOf(yaml: string): ResolvedJob {
  const { spec } = workloadOf(`kind: job\ncommand: "python train.py {{ epochs }}"\n${yaml}`);
  assert.equal(spec.kind, "job");
  return spec;
}

const train = jobOf(`
parameters:
  schema:
    type: object
    properties:
      epochs: {type: integer, minimum: 1}
      table: {type: string, readOnly: true}
      key: {type: string, writeOnly: true}
    additionalProperties: false
  values: {epochs: 3, table: orders}
schedules: [{name: nightly, cron: "0 2 * * *", parameters: {epochs: 10}}]
`);
const parameters = (values: ParameterValues, schedule: string | null = null): ParameterValues =>
  runParameters(train, { schedule, values });

test("the file's values, the schedule's over them, the run's over both", () => {
  assert.deepEqual(parameters({}), { epochs: 3, table: "orders" });
  assert.deepEqual(parameters({}, "nightly"), { epochs: 10, table: "orders" });
  assert.deepEqual(parameters({ epochs: 20 }, "nightly"), { epochs: 20, table: "orders" });
});

test("what is missing is a fault of its parameter", () => {
  const job = jobOf("parameters: {schema: {type: object, required: [epochs], properties: {epochs: {type: integer}}}}");
  const faults = parameterFaults(job, { schedule: null, values: {} });
  assert.deepEqual(
    faults.map(({ parameter }) => parameter),
    ["epochs", "epochs"],
  );
});

test("all that is wrong is said at once", () => {
  assert.throws(
    () => parameters({ epochs: 0, table: "x", other: 1 }),
    (error: Error) => {
      const lines = error.message.split("\n");
      assert.equal(lines.length, 3, error.message);
      assert.match(error.message, /parameter "table" is set by the file alone: leave it out/);
      assert.match(error.message, /epochs/);
      assert.match(error.message, /other/);
      return true;
    },
  );
});

test("a secret parameter takes a reference, and nothing else", () => {
  const values = parameters({ key: { secret: "api-key" } });
  assert.deepEqual([...secretParameters(train, values)], [["key", "api-key"]]);
  assert.throws(
    () => parameters({ key: "hunter2" }),
    (error: Error) => {
      assert.doesNotMatch(error.message, /hunter2/);
      assert.match(error.message, /key/);
      return true;
    },
  );
});

test("what the command wants must have a value", () => {
  const job = jobOf("parameters: {schema: {type: object, properties: {epochs: {type: integer}}}}\n");
  assert.throws(() => runParameters(job, { schedule: null, values: {} }), {
    message: "web: the command wants {{ epochs }}, and it has no value: give it one",
  });
});

test("two parameters of one variable, too much of it, and what no database keeps are refused", () => {
  const job = jobOf("");
  const refused = (values: ParameterValues, message: RegExp): void =>
    assert.throws(() => runParameters(job, { schedule: null, values }), { message });
  refused({ "a-b": 1, a_b: 2 }, /parameters a-b and a_b would both be WAYBILL_PARAM_A_B: rename one/);
  refused({ a: "x".repeat(200_000) }, /200008 bytes as JSON, and at most 102400/);
  refused({ a: "x\0" }, /a parameter holds the character U\+0000: leave it out/);
  refused({ a: ["\ud800"] }, /a parameter holds half of a surrogate pair/);
});

test("a run that a file of long ago starts by itself is refused for what keeps its program from its values", () => {
  const spec = { ...jobOf(""), command: "echo `echo {{ x }}`" };
  const unfit = (values: ParameterValues, message: RegExp): void =>
    assert.throws(() => refuseUnfit(spec, values), { code: "PARAMETERS_INVALID", message });
  unfit({ x: 1 }, /^web: \{\{ x \}\} stands within backquotes/);
  unfit({ "x-y": 1, x_y: 2 }, /would both be WAYBILL_PARAM_X_Y/);
  assert.doesNotThrow(() => refuseUnfit(train, { epochs: 3 }));
});

test("programs get all as JSON, and each as text", () => {
  assert.deepEqual(parameterEnvironment({ epochs: 3, name: "x", list: [1], key: { secret: "k" } }, new Set(["key"])), {
    WAYBILL_PARAMETERS: '{"epochs":3,"name":"x","list":[1],"key":{"secret":"k"}}',
    WAYBILL_PARAM_EPOCHS: "3",
    WAYBILL_PARAM_NAME: "x",
    WAYBILL_PARAM_LIST: "[1]",
  });
});
