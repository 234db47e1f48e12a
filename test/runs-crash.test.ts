import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
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
import { runWorker } from "./support/runs-process.ts";
import { deployJob } from "./support/runs-world.ts";

test("kill -9 between any two effects: a run runs once, its state ends true, and no slot is lost", async () => {
  for (let killAfter = 1; ; killAfter += 1) {
    await using database = await disposableDatabase();
    const folder = mkdtempSync(join(tmpdir(), "waybill-runs-"));
    try {
      const told = join(folder, "told");
      const command = JSON.stringify(`echo ran >> ${told}; sleep 0.3; echo '"done"' > "$WAYBILL_RESULT"`);
      const tree = treeSha("1".padStart(40, "0"));
      await deployJob(database.db, "crash", `source: {path: .}\nconcurrency: {limit: 1}\ncommand: ${command}\n`, tree);
      const signal = await runWorker(database.url, folder, String(killAfter));
      if (signal === null) {
        assert.ok(killAfter > 8, `only ${killAfter} effects were met`);
        return;
      }
      const where = readFileSync(join(folder, "killed-at"), "utf8");
      // A program may outlive whoever started it.
      if (killAfter % 2 === 0) await sleep(500);
      assert.equal(await runWorker(database.url, folder, "0"), null);
      const runs = await makeRunStore(database.db).runs({ job: "crash" }, { limit: 10 });
      assert.deepEqual(
        runs.map(({ status, outcome }) => [status.state, outcome?.result]),
        [["Completed", "done"]],
        where,
      );
      assert.equal(readFileSync(told, "utf8"), "ran\n", `killed ${where}`);
      const history = runs[0]?.history.map(({ state }) => state) ?? [];
      for (const [index, state] of history.entries()) {
        const next = history[index + 1] ?? state;
        assert.ok(next === state || mayStep(state, next), `killed ${where}: ${history.join(", ")}`);
      }
      assert.ok(!existsSync(join(folder, "runs/trees-in-use", runs[0]?.id ?? "")), "its tree is not held any more");
      assert.ok(!markedValues("WAYBILL_INSTANCE").has(runs[0]?.id ?? ""), "nothing of it runs");
    } finally {
      removeTree(folder);
    }
  }
});

async function disposableDatabase() {
  const database = await testDatabase();
  return { ...database, [Symbol.asyncDispose]: () => database.close() };
}
