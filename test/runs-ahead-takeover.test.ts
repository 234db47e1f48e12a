import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import { removeTree } from "./support/local-target.ts";
import { testDatabase } from "./support/postgres.ts";
import { startWorker, stateOf } from "./support/worker-process.ts";

// Two servers on one database and one folder: the one that acts stands still in the middle of a start of many, the other
// takes its place, and the first one comes back while that goes on.

const effects = ["before release", "released", "run prepared", "run spawned", "before acceptance", "accepted"];
const all = ["pair a", "pair b", "single a"];

async function takeOver(where: string, tries = 3): Promise<void> {
  const database = await testDatabase();
  const folder = mkdtempSync(join(tmpdir(), "waybill-takeover-"));
  const first = startWorker("ahead-worker", database.url, folder, where, "SIGSTOP");
  try {
    while (stateOf(first.child.pid) === "running") await sleep(20);
    // A machine that is busy enough has nothing prepared when its time comes.
    if (stateOf(first.child.pid) === "gone" && tries > 1) return await takeOver(where, tries - 1);
    assert.equal(stateOf(first.child.pid), "stopped", where);
    const second = startWorker("ahead-worker", database.url, folder);
    const store = makeRunStore(database.db);
    const runs = () => store.runs({}, { limit: 10 });
    while ((await runs()).every(({ startedAt }) => startedAt === null)) await sleep(20);
    first.child.kill("SIGCONT");
    assert.deepEqual(await second.ended, { status: 0, signal: null }, where);
    assert.deepEqual(await first.ended, { status: 75, signal: null }, where);

    const ended = (await runs()).map(({ id, stack, origin, status, outcome }) => ({
      run: [stack.deployment, origin.by === "schedule" ? origin.schedule : "", status.state].join(" "),
      files: outcome?.files.map(({ path }) => path),
      isKept: existsSync(join(folder, "runs", "runs", id, "output", "left")),
    }));
    assert.deepEqual(
      ended.toSorted((a, b) => (a.run < b.run ? -1 : 1)),
      all.map((name) => ({ run: `${name} Completed`, files: ["left"], isKept: true })),
      where,
    );
    assert.deepEqual(readFileSync(join(folder, "told"), "utf8").trim().split("\n").toSorted(), all, where);
    assert.deepEqual(await database.db.selectFrom("prepared_runs").select("id").execute(), [], where);
  } finally {
    first.child.kill("SIGKILL");
    await first.ended;
    removeTree(folder);
    await database.close();
  }
}

test("what was released and not accepted is taken over: nothing is lost, doubled, or undone by who comes back", async () => {
  // Most of the time they wait for the moment that is prepared.
  const lanes = Array.from({ length: 3 }, (_, lane) => effects.filter((_effect, index) => index % 3 === lane));
  await Promise.all(
    lanes.map(async (lane) => {
      for (const effect of lane) await takeOver(effect);
    }),
  );
});
