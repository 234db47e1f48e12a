import assert from "node:assert/strict";
import { test } from "node:test";
import { imageOf, runtimeOf } from "./runtimes.ts";

test("a command's first word names its runtime, else the files in it", () => {
  const cases = {
    "node main.js": "node",
    "npm start": "node",
    "PORT=1 exec ./node_modules/.bin/next start": "node",
    "python3.13 -m app": "python",
    "gunicorn app:app": "python",
    "./run main.py --x": "python",
    "sh start.sh": null,
    "": null,
  };
  for (const [command, runtime] of Object.entries(cases)) assert.equal(runtimeOf(command), runtime, command);
});

test("the image is the workload's own, or its runtime's, or missing with what to set", () => {
  const source = { from: "repository", path: "." } as const;
  const of = (command: string, runtimes = {}) => imageOf({ source, command, build: null }, runtimes);
  assert.deepEqual(of("node main.js", { node: "node:24" }), { image: "node:24", runtime: "node" });
  assert.deepEqual(of("./serve", { node: "node:24" }), { image: "node:24", runtime: "node" });
  assert.match(
    JSON.stringify(of("./serve", { node: "a", python: "b" })),
    /^"its command names no program of node or python/,
  );
  assert.match(
    JSON.stringify(of("python x.py", { node: "a" })),
    /^"it needs python, and this target has no image for that/,
  );
  const own = { source: { from: "image", image: "shop/web:1" }, command: null, build: null } as const;
  assert.deepEqual(imageOf(own, {}), { image: "shop/web:1", runtime: null });
});
