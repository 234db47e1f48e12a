import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultContext } from "../context.ts";
import { formatProblem } from "../problem.ts";
import { checkRepository } from "../repository.ts";

function problemsOf(files: Readonly<Record<string, string>>): readonly string[] {
  const given = Object.entries(files).map(([name, text]) => ({
    path: `deployments/${name}.yaml`,
    bytes: Buffer.from(`apiVersion: waybill/v1\ncommand: a\n${text}`),
  }));
  return checkRepository(given, defaultContext).problems.map(formatProblem);
}

test("a job that is nowhere, and one that is no job, are named where they stand", () => {
  const files = {
    load: "kind: job\nafter: {job: extrakt}\n",
    extract: "kind: job\n",
    web: "kind: service\ndeploy: {before: load, after: web}\n",
  };
  assert.deepEqual(problemsOf(files), [
    'deployments/load.yaml:4:14 JOB_UNKNOWN after.job "extrakt" is no job of these files. Did you mean "extract"?',
    'deployments/web.yaml:4:31 JOB_UNKNOWN deploy.after "web" is no job of these files.',
  ]);
});

test("a job may be in a file that has problems of its own", () => {
  const files = { load: "kind: job\nafter: {job: extract}\n", extract: "kind: job\nport: 3\n" };
  assert.deepEqual(
    problemsOf(files).map((line) => line.split(" ")[1]),
    ["FIELD_NOT_FOR_KIND"],
  );
});

test("each circle is told once, where it closes", () => {
  const files = {
    a: "kind: job\nafter: [{job: b}, {job: c}]\n",
    b: "kind: job\nafter: {job: c}\n",
    c: "kind: job\nafter: {job: a}\n",
    d: "kind: job\nafter: {job: d}\n",
    e: "kind: job\nafter: {job: a}\n",
  };
  assert.deepEqual(problemsOf(files), [
    "deployments/c.yaml:4:14 JOB_CIRCLE jobs follow each other in a circle: a after b after c after a",
    'deployments/d.yaml:4:14 JOB_CIRCLE job "d" cannot follow itself: name another job',
  ]);
});

test("what is wrong in one environment alone is told there", () => {
  const files = {
    a: "kind: job\nafter: {job: b}\n",
    b: "kind: job\nenvironments: {staging: {after: {job: a}}, demo: {after: {job: x}}}\n",
  };
  assert.deepEqual(problemsOf(files), [
    "deployments/b.yaml:4:39 JOB_CIRCLE jobs follow each other in a circle: a after b after a (in environment staging)",
    'deployments/b.yaml:4:64 JOB_UNKNOWN after.job "x" is no job of these files. Did you mean "a"? (in environment demo)',
  ]);
});
