import assert from "node:assert/strict";
import { test } from "node:test";
import { isSha, treeSha } from "../../../core/names.ts";
import { workloadOf } from "../../../../test/support/workloads.ts";
import { podResources } from "../sizes.ts";
import { baseOf, keyOf, type MadeSource } from "./made-source.ts";
import { sourceOf } from "./source-of.ts";

const source: MadeSource = {
  stack: { repository: "shop", environment: "production", deployment: "web" },
  target: "cluster",
  namespace: "shop--production",
  tree: treeSha("a".repeat(40)),
  workingDir: ".",
  files: { "a.txt": { content: "a", mode: "0644" }, "b.txt": { content: "b", mode: "0644" } },
  restart: null,
  build: {
    command: "make",
    env: { A: "1", B: "2" },
    image: "node:24",
    runtime: "node",
    requests: { cpu: "1" },
    limits: {},
  },
};
const { build } = source;
assert.ok(build);

test("a key says what is in the files, in whatever order it comes, and nothing else", () => {
  const key = keyOf(source);
  assert.equal(isSha(key), false);
  const turned = {
    ...source,
    restart: "now",
    namespace: "other",
    files: { "b.txt": { mode: "0644", content: "b" }, "a.txt": { mode: "0644", content: "a" } },
    build: { ...build, env: { B: "2", A: "1" }, requests: { cpu: "2" } },
  };
  assert.equal(keyOf(turned), key);
  const others: readonly MadeSource[] = [
    { ...source, tree: treeSha("b".repeat(40)) },
    { ...source, workingDir: "app" },
    { ...source, files: {} },
    { ...source, build: { ...build, command: "make all" } },
    { ...source, build: { ...build, env: { A: "1" } } },
    { ...source, build: { ...build, image: "node:22" } },
    { ...source, build: null },
  ];
  assert.equal(new Set([key, ...others.map(keyOf)]).size, others.length + 1);
  assert.equal(baseOf(source), keyOf({ ...source, build: null }));
  assert.equal(baseOf({ ...source, files: {} }), source.tree);
});

test("a tree as Git has it is fetched as it is; files for elsewhere are not part of it", () => {
  const of = (more: string) => {
    const workload = workloadOf(`kind: service\ncommand: node main.js\nsize: gpu-small\n${more}`, {
      source: source.tree,
    });
    const { spec } = workload;
    assert.ok(spec.kind === "service");
    const context = { target: "cluster", image: "node:24", runtime: "node", resources: podResources(spec.size, []) };
    return sourceOf({ ...workload, spec }, { ...context, runtime: "node" });
  };
  assert.deepEqual(of(""), { key: source.tree, made: null });
  assert.deepEqual(of("files: {/etc/x: {content: y}}\n"), { key: source.tree, made: null });
  assert.deepEqual(Object.keys(of("files: {x: {content: y}}\n").made?.files ?? {}), ["x"]);
  // What the program computes on is not for its build to hold.
  assert.deepEqual(of("build: make\n").made?.build?.requests, { cpu: "4", memory: "16Gi" });
});
