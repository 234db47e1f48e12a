// The runs room in a process of its own, to be killed: a real database, real processes.
// Arguments: database, folder, the number of effects after which to die (0: never).
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { spawnHere } from "../../src/core/spawn.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { isEnded } from "../../src/runs/state.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import { makeLocalRuns } from "../../src/targets/local/runs/executor.ts";
import { Trees } from "../../src/targets/local/trees.ts";
import { fakeSecrets, makeFakeTrees, realClock } from "./local-target.ts";
import { anna, jobStack, makeTestRoom } from "./runs-world.ts";

const [url = "", folder = "", killAfter = "0"] = process.argv.slice(2);
let effects = 0;
function effect(name: string): void {
  effects += 1;
  if (effects !== Number(killAfter)) return;
  writeFileSync(join(folder, "killed-at"), name);
  process.kill(process.pid, "SIGKILL");
}

/** Every write is an effect, before and after. */
function watched(store: RunStore): RunStore {
  return {
    ...store,
    async accept(runs, marks) {
      if (runs.length > 0) effect("before accept");
      const accepted = await store.accept(runs, marks);
      if (runs.length > 0) effect("accepted");
      return accepted;
    },
    async settleChains(settled) {
      if (settled.length > 0) effect("before chains are settled");
      await store.settleChains(settled);
      if (settled.length > 0) effect("chains are settled");
    },
    async step(id, from, change) {
      effect(`before ${from} to ${change.status.state}`);
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
  clock: realClock,
  log,
  spawn: spawnHere,
  maxOutputBytes: 2 ** 30,
});
const store = makeRunStore(db);
const room = makeTestRoom({ db, executor, store: watched(store), log });
await room.begin();
const stack = jobStack("crash");
if ((await room.runs.runs({ job: "crash" }, { limit: 1 })).length === 0) {
  await room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
}
for (let open = true; open; await sleep(20)) {
  // In this order: what a chain starts is among the runs once the chain is not due any more.
  const isChainDue = (await store.chainsDue(1)).length > 0;
  open = isChainDue || (await room.runs.runs({}, { limit: 10 })).some(({ run }) => !isEnded(run.status.state));
}
await room.close();
await executor.stopAll();
await database.close();
writeFileSync(join(folder, "effects"), String(effects));
