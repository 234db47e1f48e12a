import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { StackState } from "../src/engine/state.ts";
import { applyVersion, type Application } from "./support/engine-worker.ts";

const worker = fileURLToPath(new URL("support/engine-worker.ts", import.meta.url));
const preload = fileURLToPath(new URL("../scripts/tsx.mjs", import.meta.url));

type Ways = Pick<Application, "finds" | "rewrites">;

const plain: Ways = { finds: false };
const apply = (folder: string, version: number, ways = plain) =>
  applyVersion({ folder, version, ...ways, onMoment: () => undefined });

/** The apply stops for good at that moment, as a killed process does; nothing of it is ever heard again. */
async function applyAndFreeze(folder: string, version: number, freezeAt: number, ways = plain): Promise<void> {
  const frozen = Promise.withResolvers<void>();
  const onMoment = async (moment: number): Promise<void> => {
    if (moment < freezeAt) return;
    frozen.resolve();
    await new Promise(() => undefined);
  };
  const applied = applyVersion({ folder, version, ...ways, onMoment });
  await Promise.race([frozen.promise, applied.then(() => assert.fail(`there is no moment ${freezeAt}`))]);
}

async function applyAndKill(folder: string, version: number, killAt: number): Promise<void> {
  const child = spawn(process.execPath, ["--import", preload, worker, folder, String(version), String(killAt)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
}

/** What exists, without what differs between runs by nature. */
function outcome(folder: string) {
  const world = JSON.parse(readFileSync(join(folder, "world.json"), "utf8")) as { id: string; inputs: unknown }[];
  const { state } = JSON.parse(readFileSync(join(folder, "state.json"), "utf8")) as StackState;
  const { resources = [], pending_operations: pending = [] } = state.deployment;
  const real = resources.filter(({ type }) => type === "test:index:Thing");
  const idsOf = (things: readonly { readonly id?: string }[]) => things.map(({ id = "" }) => id).toSorted();
  const [known, there] = [idsOf(real), idsOf(world)];
  assert.deepEqual(known, there, "the state names what is there, and all of it");
  assert.deepEqual(pending, []);
  return {
    world: world.map(({ inputs }) => JSON.stringify(inputs)).toSorted(),
    state: real.map(({ urn, inputs, outputs }) => JSON.stringify([urn, inputs, outputs])).toSorted(),
    marks: real.filter((resource) => resource.delete ?? resource.pendingReplacement ?? resource.initErrors),
  };
}

/** Folders with the world as the program before left it, and how it is when the next one runs without a kill. */
async function prepare(context: TestContext, { from, to, ways = plain }: { from: number; to: number; ways?: Ways }) {
  const root = mkdtempSync(join(tmpdir(), "waybill-crash-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const start = join(root, "start");
  mkdirSync(start);
  for (let version = 1; version <= from; version++) await apply(start, version);
  const copy = (name: string): string => {
    cpSync(start, join(root, name), { recursive: true });
    return join(root, name);
  };
  const straight = copy("straight");
  const moments = await apply(straight, to, ways);
  assert.ok(moments >= 10, `${moments} moments`);
  return { copy, moments, expected: outcome(straight) };
}

for (const [from, to, ways, how] of [
  [0, 1, plain, ""],
  [1, 2, plain, ""],
  [1, 2, { finds: true }, ", asking what was made"],
  [1, 2, { finds: false, rewrites: true }, ", updates noted with what came before"],
  [1, 2, { finds: true, rewrites: true }, ", asking, updates noted with what came before"],
  [2, 3, plain, ""],
] as const) {
  const title = `from program ${from} to ${to}${how}`;
  test(`stopped at every moment, the next apply reaches the same end: ${title}`, async (context) => {
    const { copy, moments, expected } = await prepare(context, { from, to, ways });
    for (let moment = 1; moment <= moments; moment++) {
      const folder = copy(`stopped-${moment}`);
      await applyAndFreeze(folder, to, moment, ways);
      await apply(folder, to, ways);
      assert.deepEqual(outcome(folder), expected, `after a stop at ${moment}`);
    }
  });

  if (from === 0) continue;
  test(`stopped at every moment, an apply of the program before goes back: ${title}`, async (context) => {
    const { copy, moments } = await prepare(context, { from, to, ways });
    const back = copy("back");
    await apply(back, from);
    const expected = outcome(back);
    for (let moment = 1; moment <= moments; moment++) {
      const folder = copy(`stopped-${moment}`);
      await applyAndFreeze(folder, to, moment, ways);
      await apply(folder, from, ways);
      assert.deepEqual(outcome(folder), expected, `after a stop at ${moment}`);
    }
  });
}

test("killed by SIGKILL, the next process reaches the same end", async (context) => {
  const { copy, moments, expected } = await prepare(context, { from: 1, to: 2 });
  for (let moment = 2; moment <= moments; moment += 7) {
    const folder = copy(`killed-${moment}`);
    await applyAndKill(folder, 2, moment);
    await apply(folder, 2);
    assert.deepEqual(outcome(folder), expected, `after a kill at ${moment}`);
  }
});
