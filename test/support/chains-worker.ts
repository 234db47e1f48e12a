// The runs room in a process of its own, to be killed: a real database, real processes.
// Arguments: database, folder, the number of effects after which to die (0: never).
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog, type Log } from "../../src/core/log.ts";
import { isEnded } from "../../src/runs/state.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import { makeKillCounter } from "./kill-counter.ts";
import { openLocalRuns } from "./local-runs.ts";
import { anna, jobStack, makeTestRoom } from "./runs-world.ts";

const [url = "", folder = "", killAfter = "0"] = process.argv.slice(2);
const effect = makeKillCounter(folder, Number(killAfter));

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
const executor = openLocalRuns(folder, log);
const store = makeRunStore(db);
const room = makeTestRoom({ db, executor, store: watched(store), log });
await room.begin();
const stack = jobStack("crash");
if ((await room.runs.runs({ job: "crash" }, { limit: 1 })).length === 0) {
  await room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
}
// Twice: between the two questions a run may end, and its chain become due.
for (let quiet = 0; quiet < 2; await sleep(20)) {
  // In this order: what a chain starts is among the runs once the chain is not due any more.
  const isChainDue = (await store.chainsDue(1)).length > 0;
  const isOpen = isChainDue || (await room.runs.runs({}, { limit: 10 })).some(({ run }) => !isEnded(run.status.state));
  quiet = isOpen ? 0 : quiet + 1;
}
await room.close();
await executor.stopAll();
await database.close();
