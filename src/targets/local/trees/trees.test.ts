import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeFakeTrees, removeTree } from "../../../../test/support/local-target.ts";
import { searchPath } from "../processes/environment.ts";
import { Trees, type TreeRequest } from "./trees.ts";

const stack = { repository: "shop", environment: "production", deployment: "web" };

function makeHarness(folder = mkdtempSync(join(tmpdir(), "waybill-trees-"))) {
  const source = makeFakeTrees();
  const trees = new Trees({ folder, source, buildEnvironment: { PATH: searchPath() } });
  const progress: string[] = [];
  return {
    folder,
    source,
    trees,
    progress,
    request: (changes: Partial<TreeRequest> & Pick<TreeRequest, "tree">): TreeRequest => ({
      repository: "shop",
      workingDir: ".",
      build: null,
      env: {},
      files: {},
      ...changes,
    }),
    ensure: (request: TreeRequest, signal = new AbortController().signal) =>
      trees.ensure(request, { signal, onProgress: (message) => progress.push(message) }),
    [Symbol.dispose]: () => removeTree(folder),
  };
}

test("a tree without a build is kept under its own id, read-only, and made once", async () => {
  using harness = makeHarness();
  const tree = harness.source.add({ "src/app.js": "hi" });
  const { key, folder } = await harness.ensure(harness.request({ tree }));
  assert.equal(key, tree);
  assert.equal(readFileSync(join(folder, "src/app.js"), "utf8"), "hi");
  assert.deepEqual([statSync(folder).mode & 0o222, statSync(join(folder, "src/app.js")).mode & 0o222], [0, 0]);
  assert.deepEqual(await harness.ensure(harness.request({ tree })), { key, folder });
  assert.equal(harness.source.made, 1);
});

test("the package.json of a folder above does not reach a tree", async (t) => {
  const above = mkdtempSync(join(tmpdir(), "waybill-above-"));
  t.after(() => rmSync(above, { recursive: true, force: true }));
  writeFileSync(join(above, "package.json"), '{"type": "module"}');
  using harness = makeHarness(join(above, "trees"));
  const tree = harness.source.add({ "server.js": 'process.stdout.write(typeof require("node:http"))' });
  const { folder } = await harness.ensure(harness.request({ tree }));
  assert.equal(execFileSync(process.execPath, [join(folder, "server.js")], { encoding: "utf8" }), "object");
});

test("a build runs once for all who wait, its output is told and kept", async () => {
  using harness = makeHarness();
  const tree = harness.source.add({ "in.txt": "4" });
  const build = 'echo building; sleep 0.2; cp in.txt out.txt; echo "$HOME" > home; echo "$LEVEL"';
  const request = harness.request({ tree, build, env: { LEVEL: "3" } });
  const [one, two] = await Promise.all([harness.ensure(request), harness.ensure(request)]);
  assert.deepEqual(one, two);
  assert.notEqual(one.key, tree);
  assert.equal(readFileSync(join(one.folder, "out.txt"), "utf8"), "4");
  assert.equal(harness.source.made, 1);
  assert.deepEqual(harness.progress, ["building", "building", "3", "3"]);
  assert.equal(readFileSync(harness.trees.buildLog(one.key) ?? "", "utf8"), "building\n3\n");
  assert.ok(!existsSync(readFileSync(join(one.folder, "home"), "utf8").trim()), "the build's home is gone");
});

test("files are written into the working folder, and a path out of the source is refused", async () => {
  using harness = makeHarness();
  const tree = harness.source.add({ "api/app.toml": "level = 1" });
  const files = { "app.toml": { content: "level = 3", mode: "0640" } };
  const { folder } = await harness.ensure(harness.request({ tree, workingDir: "api", files }));
  assert.equal(readFileSync(join(folder, "api/app.toml"), "utf8"), "level = 3");
  assert.equal(statSync(join(folder, "api/app.toml")).mode & 0o777, 0o440);
  for (const path of ["../../x", "/etc/x"]) {
    const request = harness.request({ tree, workingDir: "api", files: { [path]: { content: "", mode: "0644" } } });
    await assert.rejects(harness.ensure(request), { code: "TARGET_UNSUPPORTED" });
  }
});

test("files are not written through a link out of the source", async () => {
  using harness = makeHarness();
  const outside = join(harness.folder, "outside");
  writeFileSync(outside, "mine");
  const tree = harness.source.add({ a: "" });
  const materialise = harness.source.materialise.bind(harness.source);
  harness.source.materialise = async (repository, sha, folder, signal) => {
    await materialise(repository, sha, folder, signal);
    symlinkSync(outside, join(folder, "link"));
    symlinkSync(harness.folder, join(folder, "dir"));
  };
  const { folder } = await harness.ensure(
    harness.request({ tree, files: { link: { content: "theirs", mode: "0644" } } }),
  );
  assert.equal(readFileSync(join(folder, "link"), "utf8"), "theirs");
  const through = harness.request({ tree, files: { "dir/outside": { content: "theirs", mode: "0644" } } });
  await assert.rejects(harness.ensure(through), { code: "TARGET_UNSUPPORTED" });
  assert.equal(readFileSync(outside, "utf8"), "mine");
});

test("a failing build is told with its last lines and leaves nothing", async () => {
  using harness = makeHarness();
  const tree = harness.source.add({});
  const request = harness.request({ tree, build: "for n in $(seq 30); do echo line $n; done; exit 7" });
  await assert.rejects(harness.ensure(request), (error: Error & { code?: string }) => {
    assert.equal(error.code, "BUILD_FAILED");
    assert.match(error.message, /^the build `for .*` failed with status 7\nlast 20 lines:\n {2}line 11\n[^]*line 30$/);
    return true;
  });
  assert.deepEqual(readdirSync(harness.folder), []);
});

test("a build ends when nobody waits for it any more", async () => {
  using harness = makeHarness();
  const tree = harness.source.add({});
  const request = harness.request({ tree, build: "sleep 60" });
  const [first, second] = [new AbortController(), new AbortController()];
  const waiting = [harness.ensure(request, first.signal), harness.ensure(request, second.signal)];
  const outcomes = Promise.allSettled(waiting);
  await new Promise((resolve) => setTimeout(resolve, 100));
  first.abort(new Error("the first left"));
  await assert.rejects(waiting[0] ?? Promise.resolve(), /the first left/);
  assert.equal(readdirSync(harness.folder).length, 1, "the second still waits");
  second.abort(new Error("the second left"));
  await outcomes;
  while (readdirSync(harness.folder).length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
});

test("what an interrupted server left is removed, its build too", async () => {
  using harness = makeHarness();
  const { key, folder } = await harness.ensure(harness.request({ tree: harness.source.add({ a: "1" }) }));
  const half = join(harness.folder, "half");
  mkdirSync(half);
  const build = spawn("sleep", ["60"], { env: { WAYBILL_BUILD: half } });
  const ended = once(build, "exit");
  const again = makeHarness(harness.folder);
  await again.trees.cleanUp();
  await ended;
  assert.ok(!existsSync(half));
  assert.equal(again.trees.folderOf(key), folder);
});

test("trees without a user are removed, but for the newest of each stack", async () => {
  using harness = makeHarness();
  const keys: string[] = [];
  for (let day = 1; day <= 4; day += 1) {
    const { key } = await harness.ensure(harness.request({ tree: harness.source.add({ day: String(day) }) }));
    harness.trees.use(key, { user: `web-${day}`, stack, now: new Date(day) });
    keys.push(key);
  }
  const kept = (): readonly boolean[] => keys.map((key) => harness.trees.folderOf(key) !== null);
  await harness.trees.removeUnused({ kept: 2, before: new Date(20) });
  assert.deepEqual(kept(), [true, true, true, true], "in use");
  for (const [at, key] of keys.entries()) harness.trees.unuse(key, `web-${at + 1}`, new Date(10 + at));
  await harness.trees.removeUnused({ kept: 2, before: new Date(0) });
  assert.deepEqual(kept(), [false, false, true, true]);
  await harness.trees.removeUnused({ kept: 2, before: new Date(12) });
  assert.deepEqual(kept(), [false, false, false, true], "the others have not been used for long");
  await harness.trees.removeUnused({ kept: 0, before: new Date(0) });
  assert.deepEqual(readdirSync(harness.folder), []);
});
