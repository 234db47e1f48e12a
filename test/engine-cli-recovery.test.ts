import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WaybillError } from "../src/core/errors.ts";
import { spawnHere, type Spawn } from "../src/core/spawn.ts";
import type { Engine } from "../src/engine/engine.ts";
import { makeWorldProvider, threeThings, worldOf } from "./support/cli-engine-worker.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { shop, Thing } from "./support/stacks.ts";

const worker = fileURLToPath(new URL("support/cli-engine-worker.ts", import.meta.url));
const preload = fileURLToPath(new URL("../scripts/tsx.mjs", import.meta.url));

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "waybill-cli-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Waits, as the driver of applies does, while the verdict is to wait. */
async function upInTime(engine: Engine, program: () => Promise<Record<string, unknown>>) {
  for (;;) {
    try {
      return await engine.up(shop, program);
    } catch (error) {
      if (!(error instanceof WaybillError) || error.code !== "STACK_LOCKED") throw error;
      await after(Math.min(error.retryAfterMs ?? 0, 200));
    }
  }
}

const nothing = () => undefined;
const madeIn = (folder: string): readonly string[] => worldOf(folder).map(({ id }) => id);
const idsOf = async (engine: Engine) =>
  ((await engine.export(shop))?.deployment.resources ?? [])
    .filter(({ type }) => type === "test:index:Thing")
    .map(({ id }) => id);

for (const finds of [true, false]) {
  const title = finds ? "what it made is found" : "the same create is made again";
  test(`a server killed in mid-create: ${title}`, { skip: cliSkip }, async (context) => {
    const folder = temporaryFolder(context);
    const child = spawn(process.execPath, ["--import", preload, worker, folder], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const [, signal] = await once(child, "exit");
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(
      worldOf(folder).map(({ id }) => id),
      ["a-1", "b-2"],
    );
    using harness = makeCliTestEngine({ folder, provider: makeWorldProvider(folder, { finds, onMade: nothing }) });
    const { outputs } = await upInTime(harness.engine, threeThings);
    assert.deepEqual(
      worldOf(folder).map(({ id }) => id),
      ["a-1", "b-2", "c-3"],
      "nothing was made twice",
    );
    assert.deepEqual(outputs, { c: "http://c-3" });
    assert.deepEqual(await idsOf(harness.engine), ["a-1", "b-2", "c-3"]);
    assert.equal((await harness.engine.up(shop, threeThings)).changes.same, 4);
  });
}

test(
  "a CLI killed in mid-create leaves a lock and a pending operation; both are put right",
  { skip: cliSkip },
  async (context) => {
    const folder = temporaryFolder(context);
    let kill = (): unknown => undefined;
    const spawnNoted: Spawn = (...args) => {
      const child = spawnHere(...args);
      kill = () => child.kill("SIGKILL");
      return child;
    };
    const onMade = (name: string): void => void (name === "b" && kill());
    const dependencies = { spawn: spawnNoted };
    const provider = makeWorldProvider(folder, { finds: true, onMade });
    using killed = makeCliTestEngine({ folder, provider, dependencies });
    await assert.rejects(killed.engine.up(shop, threeThings), { code: "CLI_FAILED", message: /was killed/ });
    assert.notDeepEqual(readdirSync(join(folder, ".pulumi/locks/organization/shop/production--ranker")), []);
    using harness = makeCliTestEngine({
      folder,
      provider: makeWorldProvider(folder, { finds: true, onMade: nothing }),
    });
    await upInTime(harness.engine, threeThings);
    assert.deepEqual(madeIn(folder), ["a-1", "b-2", "c-3"]);
    const state = await harness.engine.export(shop);
    assert.equal(state?.deployment.pending_operations, undefined);
  },
);

test("a CLI killed while it stored the state leaves one that can be read", { skip: cliSkip }, async (context) => {
  const folder = temporaryFolder(context);
  using harness = makeCliTestEngine({ folder, provider: makeWorldProvider(folder, { finds: true, onMade: nothing }) });
  await harness.engine.up(shop, threeThings);
  writeFileSync(join(folder, ".pulumi/stacks/shop/production--ranker.json.attrs"), "");
  assert.deepEqual(await idsOf(harness.engine), ["a-1", "b-2", "c-3"]);
  assert.equal((await harness.engine.up(shop, threeThings)).changes.same, 4);
});

const cancelTitle = "cancelling ends the calls in flight, starts nothing more and keeps what was done";
test(cancelTitle, { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, taken } = harness;
  const controller = new AbortController();
  const program = (waits: number) => async () => {
    const a = new Thing("a");
    const b = new Thing("b", { of: a.address, waits });
    return { c: new Thing("c", { of: b.address }).address };
  };
  const cancelled = engine.up(shop, program(60_000), {
    signal: controller.signal,
    onEvent: (event) => {
      const isMakingB = event.type === "step-progress" && event.message.startsWith("making b");
      if (isMakingB) setImmediate(() => controller.abort(new Error("newer")));
    },
  });
  await assert.rejects(cancelled, {
    code: "APPLY_CANCELLED",
    message: "the apply of shop/production--ranker was cancelled",
  });
  assert.deepEqual(taken(), ["create a", "create b"]);
  await engine.up(shop, program(0));
  assert.deepEqual(taken(), ["create b", "create c"]);
  const late = engine.up(shop, program(0), { signal: AbortSignal.abort(new Error("newer")) });
  await assert.rejects(late, { code: "APPLY_CANCELLED" });
});

test("a lock is waited for while its holder may live, and broken when it is dead", { skip: cliSkip }, async () => {
  using harness = makeCliTestEngine();
  const { engine, folder } = harness;
  const program = async () => ({ a: new Thing("a").address });
  await engine.up(shop, program);
  const locks = join(folder, ".pulumi/locks/organization/shop/production--ranker");
  mkdirSync(locks, { recursive: true });
  const lock = (host: string, pid: number): void => {
    const content = { pid, username: "ci", hostname: host, timestamp: new Date() };
    writeFileSync(join(locks, "f00.json"), JSON.stringify(content));
  };
  const message = /^shop\/production--ranker is locked by ci@\S+ \(process \d+\) since /;
  lock("elsewhere", 1);
  await assert.rejects(engine.up(shop, program), { code: "STACK_LOCKED", message });
  lock(hostname(), process.pid);
  await assert.rejects(engine.up(shop, program), { code: "STACK_LOCKED", message });
  // Above what Linux gives out: nobody has this id.
  lock(hostname(), 2 ** 22 + 1);
  assert.equal((await engine.up(shop, program)).changes.same, 2);
});
