// Schedules that are due at one moment, in a process of its own, to be killed: a real database, real processes.
// Arguments: database, folder, the effect after which to die (empty: never).
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { spawnHere } from "../../src/core/spawn.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { treeSha } from "../../src/core/names.ts";
import { isEnded } from "../../src/runs/state.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import { makeLocalRuns } from "../../src/targets/local/runs/executor.ts";
import { Trees } from "../../src/targets/local/trees/trees.ts";
import { fakeSecrets, makeFakeTrees } from "./local-target.ts";
import { deployJob, makeTestRoom } from "./runs-world.ts";

const [url = "", folder = "", killAfter = ""] = process.argv.slice(2);
function effect(name: string): void {
  if (name !== killAfter) return;
  writeFileSync(join(folder, "killed"), name);
  process.kill(process.pid, "SIGKILL");
}

function watched(store: RunStore): RunStore {
  return {
    ...store,
    async prepare(batch) {
      const refused = await store.prepare(batch);
      effect("prepared");
      return refused;
    },
    async release(releases, at) {
      effect("before release");
      await store.release(releases, at);
      effect("released");
    },
    async acceptReleased(batch) {
      effect("before acceptance");
      const ordinals = await store.acceptReleased(batch);
      effect("accepted");
      return ordinals;
    },
    async accept(runs, marks) {
      const accepted = await store.accept(runs, marks);
      if (runs.length > 0) effect("the others accepted");
      return accepted;
    },
    async step(id, from, change) {
      const stepped = await store.step(id, from, change);
      effect(`${from} to ${change.status.state}`);
      return stepped;
    },
  };
}

const database = await openDatabase(url);
const { db } = database;
const log: Log = { ...silentLog, debug: (_fields, message) => void (message.startsWith("run ") && effect(message)) };
const source = makeFakeTrees();
source.add({ README: "x" });
const trees = new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} });
const executor = makeLocalRuns({
  folder: join(folder, "runs"),
  trees,
  secrets: fakeSecrets({}),
  clock: systemClock,
  log,
  spawn: spawnHere,
  maxOutputBytes: 2 ** 30,
});

/** Two jobs are due at one moment, and one of them twice: the second of these has to wait. */
async function deploy(): Promise<void> {
  const at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 8_000).toISOString();
  const schedule = (name: string): string => `{name: ${name}, interval: PT24H, anchor: "${at}", startAt: "${at}"}`;
  const command = `echo $WAYBILL_DEPLOYMENT $WAYBILL_SCHEDULE >> ${join(folder, "told")}; sleep 0.2`;
  const yaml = `source: {path: .}\ncommand: ${JSON.stringify(command)}\nschedules: `;
  const tree = treeSha("1".padStart(40, "0"));
  room.deploymentChanged(await deployJob(db, "single", `${yaml}[${schedule("a")}]\n`, tree));
  const both = `[${schedule("a")}, ${schedule("b")}]`;
  room.deploymentChanged(await deployJob(db, "pair", `${yaml}${both}\nconcurrency: {limit: 1}\n`, tree));
}

const store = makeRunStore(db);
const room = makeTestRoom({ db, executor, store: watched(store), log, many: 1 });
await room.begin();
if ((await store.jobs()).length === 0) await deploy();
for (let count = 0; count < 3; await sleep(20)) {
  const runs = await room.runs.runs({}, { limit: 10 });
  count = runs.filter(({ run }) => isEnded(run.status.state)).length;
}
await room.close();
await executor.stopAll();
await database.close();
