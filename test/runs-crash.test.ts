import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { treeSha } from "../src/core/names.ts";
import { markedValues } from "../src/targets/local/processes/process-table.ts";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import { mayStep } from "../src/runs/state.ts";
import { removeTree } from "./support/local-target.ts";
import { testDatabase } from "./support/postgres.ts";
import { deployJob } from "./support/runs-world.ts";
import { runWorker } from "./support/worker-process.ts";

/** Takes every call, and remembers of which run. */
async function openListener() {
  const told: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      told.push((JSON.parse(body) as { run: { id: string } }).run.id);
      response.end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { told, url, [Symbol.asyncDispose]: async () => void server.close() };
}

// A run that fails once, is tried again, completes, is told of, and takes the place of an older one.
const command = (told: string): string =>
  [
    `echo $WAYBILL_RUN >> ${told}`,
    "sleep 0.3",
    `[ "$WAYBILL_RUN_NAME" = first ] || [ $(grep -c $WAYBILL_RUN ${told}) = 2 ] || exit 1`,
    `echo '"done"' > "$WAYBILL_RESULT"`,
  ].join("; ");

/** False when there are fewer effects than that. */
async function killAfter(count: number): Promise<boolean> {
  await using database = await disposableDatabase();
  await using listener = await openListener();
  const folder = mkdtempSync(join(tmpdir(), "waybill-runs-"));
  try {
    const told = join(folder, "told");
    const more = "concurrency: {limit: 1}\nretries: {limit: 1}\nhistory: {completed: 1}\n";
    const yaml = `source: {path: .}\n${more}command: ${JSON.stringify(command(told))}\n`;
    await deployJob(database.db, "crash", yaml, treeSha("1".padStart(40, "0")));
    const signal = await runWorker("runs-worker", database.url, folder, listener.url, String(count));
    if (signal === null) return false;
    const where = readFileSync(join(folder, "killed-at"), "utf8");
    // A program may outlive whoever started it.
    if (count % 2 === 0) await sleep(500);
    assert.equal(await runWorker("runs-worker", database.url, folder, listener.url, "0"), null);
    const runs = await makeRunStore(database.db).runs({ job: "crash" }, { limit: 10 });
    assert.deepEqual(
      runs.map(({ name, status, retries, outcome }) => [name, status.state, retries, outcome?.result]),
      [["second", "Completed", 1, "done"]],
      where,
    );
    const [run] = runs;
    assert.ok(run);
    const starts = readFileSync(told, "utf8").trim().split("\n");
    assert.equal(starts.filter((id) => id === run.id).length, 2, `killed ${where}: ${starts.join(" ")}`);
    assert.equal(starts.length, 3, `killed ${where}`);
    const history = run.history.map(({ state }) => state);
    for (const [index, state] of history.entries()) {
      const next = history[index + 1] ?? state;
      assert.ok(next === state || mayStep(state, next), `killed ${where}: ${history.join(", ")}`);
    }
    assert.equal(run.callback?.settled, "delivered");
    assert.deepEqual([...new Set(listener.told)], [run.id], "it was told of, and of nothing else");
    assert.deepEqual(readdirSync(join(folder, "runs/runs")), [run.id], "of the run that was removed nothing is left");
    assert.deepEqual(
      readdirSync(join(folder, "runs/trees-in-use")).filter((name) => name.startsWith(run.id)),
      [],
      "its tree is not held any more",
    );
    assert.ok(!markedValues("WAYBILL_INSTANCE").has(run.id), "nothing of it runs");
    return true;
  } finally {
    removeTree(folder);
  }
}

test("kill -9 between any two effects: no attempt runs twice, its state ends true, and no slot is lost", async () => {
  const lanes = 2;
  let last = 0;
  async function lane(first: number): Promise<void> {
    let count = first;
    while (await killAfter(count)) count += lanes;
    last = Math.max(last, count);
  }
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index + 1)));
  assert.ok(last > 12, `only ${last} effects were met`);
});

async function disposableDatabase() {
  const database = await testDatabase();
  return { ...database, [Symbol.asyncDispose]: () => database.close() };
}
