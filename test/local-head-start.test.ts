import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, type Clock } from "../src/core/clock.ts";
import type { TreeSha } from "../src/core/names.ts";
import type { Ahead } from "../src/release/deployer.ts";
import { makeEngineDeployer } from "../src/targets/deployer/engine-deployer.ts";
import type { Workload } from "../src/targets/workload.ts";
import { makeLocalHarness, removeTree, type LocalHarness } from "./support/local-target.ts";
import { makeTestEngine } from "./support/stacks.ts";
import { until } from "./support/until.ts";
import { workloadOf } from "./support/workloads.ts";

/** Notes each start, then answers. */
const server = `
  require("node:fs").appendFileSync(process.env.STARTS, process.pid + "\\n");
  require("node:http").createServer((q, s) => s.end("hello")).listen(process.env.PORT);
`;

interface Scene extends AsyncDisposable {
  readonly harness: LocalHarness;
  readonly workload: Workload;
  readonly ahead: Ahead;
  apply(): Promise<unknown>;
  /** Pids of all processes that were ever started. */
  starts(): readonly number[];
}

function makeScene({ yaml = "", clock = systemClock, main = server } = {}): Scene {
  const folder = mkdtempSync(join(tmpdir(), "waybill-head-start-"));
  const harness = makeLocalHarness({ clock });
  const file = join(folder, "starts");
  const source = harness.trees.add({ "server.js": main });
  const workload = workloadOf(`kind: service\ncommand: node server.js\nenv: {STARTS: ${file}}\n${yaml}`, { source });
  const world = makeTestEngine({ providers: harness.target.providers });
  const deployer = makeEngineDeployer({
    engine: world.engine,
    target: harness.target,
    urlOf: (host) => `http://${host}.localhost`,
  });
  const options = { signal: new AbortController().signal, onProgress: () => undefined };
  return {
    harness,
    workload,
    ahead: { files: filesOf(harness), isStored: true },
    apply: () => deployer.apply(workload, options),
    starts: () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").map(Number) : []),
    async [Symbol.asyncDispose]() {
      await harness[Symbol.asyncDispose]();
      world[Symbol.dispose]();
      removeTree(folder);
    },
  };
}

const filesOf = ({ trees }: LocalHarness): Ahead["files"] => ({
  materialise: (tree: TreeSha, folder, signal) => trees.materialise("shop", tree, folder, signal),
});

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};

test("an apply takes the process that was begun for it, and starts no other", async () => {
  await using scene = makeScene();
  scene.harness.target.prepare(scene.workload, scene.ahead);
  scene.harness.target.prepare(scene.workload, { ...scene.ahead, isStored: false });
  await until("it runs", () => scene.starts().length === 1);
  assert.equal(scene.harness.routes.rows.size, 0, "nobody is led to it before it is applied");
  await scene.apply();
  await scene.apply();
  assert.equal(scene.starts().length, 1);
  const upstream = scene.harness.routes.rows.get("web")?.upstream;
  assert.ok(upstream?.kind === "http");
  assert.equal(await (await fetch(`http://127.0.0.1:${upstream.port}/`)).text(), "hello");
  scene.harness.target.prepare(scene.workload, scene.ahead);
  await systemClock.sleep(300);
  assert.equal(scene.starts().length, 1, "what runs already is not begun again");
});

test("a process that no apply asks for is ended", async () => {
  const patience = Promise.withResolvers<void>();
  const clock: Clock = {
    now: () => systemClock.now(),
    // Ten seconds is how long a head start waits to be asked for.
    sleep: (delayMs, signal) => (delayMs === 10_000 ? patience.promise : systemClock.sleep(delayMs, signal)),
  };
  await using scene = makeScene({ clock });
  scene.harness.target.prepare(scene.workload, scene.ahead);
  await until("it runs", () => scene.starts().length === 1);
  const [pid = 0] = scene.starts();
  assert.ok(isAlive(pid));
  patience.resolve();
  await until("it is ended", () => !isAlive(pid));
  await scene.apply();
  assert.equal(scene.starts().length, 2);
});

test("files that cannot be had ahead are had by the apply", async () => {
  await using scene = makeScene();
  let asked = 0;
  const files = {
    materialise: () => {
      asked += 1;
      return Promise.reject(new Error("the objects have moved"));
    },
  };
  scene.harness.target.prepare(scene.workload, { files, isStored: false });
  await scene.apply();
  assert.equal(asked, 1);
  assert.equal(scene.starts().length, 1);
});

test("a start script waits until the push is stored", async () => {
  await using scene = makeScene({ yaml: "startScript: echo made ready\n" });
  scene.harness.target.prepare(scene.workload, { ...scene.ahead, isStored: false });
  await systemClock.sleep(300);
  assert.deepEqual(scene.starts(), []);
  scene.harness.target.prepare(scene.workload, scene.ahead);
  await until("it runs", () => scene.starts().length === 1);
});

test("a failure ahead is the apply's failure, with its reason, and is not tried twice", async () => {
  const main = `require("node:fs").appendFileSync(process.env.STARTS, "1\\n"); console.error("no such table"); process.exit(3);`;
  await using scene = makeScene({ main });
  scene.harness.target.prepare(scene.workload, scene.ahead);
  await until("it ran", () => scene.starts().length === 1);
  await assert.rejects(scene.apply(), /crashed at once with status 3[\s\S]*no such table/);
  assert.equal(scene.starts().length, 1);
});

test("what a killed server had begun is ended by the next, which starts its own", async () => {
  let isDead = false;
  const clock: Clock = {
    now: () => systemClock.now(),
    // A killed server starts nothing again.
    sleep: (delayMs, signal) => systemClock.sleep(isDead ? 60_000 : delayMs, signal),
  };
  await using first = makeScene({ clock });
  first.harness.target.prepare(first.workload, first.ahead);
  await until("it runs", () => first.starts().length === 1);
  const [pid = 0] = first.starts();
  isDead = true;
  const second = makeLocalHarness({ folder: first.harness.folder });
  await second.target.adopt();
  await until("it is ended", () => !isAlive(pid));
  assert.equal(second.target.status(first.workload.stack), null);
  assert.equal(first.starts().length, 1);
  await second.target.stopAll();
});
