import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { treeSha } from "../src/core/names.ts";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import { removeTree } from "./support/local-target.ts";
import { testDatabase } from "./support/postgres.ts";
import { deployJob } from "./support/runs-world.ts";
import { runWorker } from "./support/worker-process.ts";

// From the end of the followed run to the start of the one that follows: the others are those of any run.
const effects = [8, 9, 10, 11, 12, 13, 14];
const wanted = ["Running to Completed", "before accept", "accepted", "before chains are settled"];

test("kill -9 between any two effects: what follows a run runs once", async () => {
  const met = new Set<string>();
  for (const killAfter of effects) {
    const database = await testDatabase();
    const folder = mkdtempSync(join(tmpdir(), "waybill-chains-"));
    try {
      const told = join(folder, "told");
      const tree = treeSha("1".padStart(40, "0"));
      const command = (text: string): string => `command: ${JSON.stringify(`echo ${text} >> ${told}`)}\n`;
      await deployJob(database.db, "crash", `source: {path: .}\n${command("led")}`, tree);
      await deployJob(database.db, "next", `source: {path: .}\nafter: {job: crash}\n${command("followed")}`, tree);
      assert.equal(await runWorker("chains-worker", database.url, folder, String(killAfter)), "SIGKILL");
      const where = readFileSync(join(folder, "killed-at"), "utf8");
      met.add(where);
      assert.equal(await runWorker("chains-worker", database.url, folder, "0"), null);
      const store = makeRunStore(database.db);
      const [next, ...more] = await store.runs({ job: "next" }, { limit: 10 });
      const [crash] = await store.runs({ job: "crash" }, { limit: 10 });
      assert.deepEqual([next?.status.state, more], ["Completed", []], `killed ${where}`);
      assert.deepEqual(next?.origin, { by: "after", entry: "crash", run: crash?.id });
      assert.equal(readFileSync(told, "utf8"), "led\nfollowed\n", `killed ${where}`);
    } finally {
      removeTree(folder);
      await database.close();
    }
  }
  assert.deepEqual(
    wanted.filter((name) => !met.has(name)),
    [],
    "each was met",
  );
});
