import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { mayStep } from "../src/runs/state.ts";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import { markedValues } from "../src/targets/local/processes/process-table.ts";
import { removeTree } from "./support/local-target.ts";
import { testDatabase } from "./support/postgres.ts";
import { runWorker } from "./support/worker-process.ts";

const effects = [
  "prepared",
  "before release",
  "released",
  "run prepared",
  "run spawned",
  "before acceptance",
  "accepted",
  "the others accepted",
  "Pending to Running",
];

async function killAfter(where: string, tries = 3): Promise<void> {
  const database = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), "waybill-ahead-"));
  try {
    const signal = await runWorker("ahead-worker", database.url, folder, where);
    // A machine that is busy enough has nothing prepared when its time comes.
    if (signal === null && tries > 1) return await killAfter(where, tries - 1);
    assert.equal(signal, "SIGKILL", where);
    assert.equal(await runWorker("ahead-worker", database.url, folder, ""), null);
    const runs = await makeRunStore(database.db).runs({}, { limit: 10 });
    const ends = runs.map(({ stack, origin, status }) =>
      [stack.deployment, origin.by === "schedule" ? origin.schedule : "", status.state].join(" "),
    );
    const all = ["pair a", "pair b", "single a"];
    assert.deepEqual(
      ends.toSorted(),
      all.map((name) => `${name} Completed`),
      where,
    );
    for (const { history } of runs) {
      for (const [index, { state }] of history.entries()) {
        const next = history[index + 1]?.state ?? state;
        assert.ok(next === state || mayStep(state, next), `killed ${where}: ${state} to ${next}`);
      }
    }
    const told = existsSync(join(folder, "told")) ? readFileSync(join(folder, "told"), "utf8") : "";
    assert.deepEqual(told.trim().split("\n").toSorted(), all, `killed ${where}`);
    assert.deepEqual(await database.db.selectFrom("prepared_runs").select("id").execute(), [], where);
    const alive = markedValues("WAYBILL_INSTANCE");
    assert.deepEqual(
      runs.filter(({ id }) => alive.has(id)),
      [],
      where,
    );
  } finally {
    removeTree(folder);
    await database.close();
  }
}

test("kill -9 at each effect: what was prepared starts once, whatever was known of it", async () => {
  // Most of the time they wait for the moment that is prepared.
  const lanes = Array.from({ length: 3 }, (_, lane) => effects.filter((_, index) => index % 3 === lane));
  await Promise.all(
    lanes.map(async (lane) => {
      for (const effect of lane) await killAfter(effect);
    }),
  );
});
