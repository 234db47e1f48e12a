// The runs room in a process of its own, to be killed: a real database, real processes.
// Arguments: database, folder, address of the callback, the number of effects after which to die (0: never).
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog, type Log } from "../../src/core/log.ts";
import type { Run } from "../../src/runs/run.ts";
import { isEnded } from "../../src/runs/state.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import { makeKillCounter } from "./kill-counter.ts";
import { openLocalRuns } from "./local-runs.ts";
import { anna, jobStack, makeTestRoom } from "./runs-world.ts";

const [url = "", folder = "", callback = "", killAfter = "0"] = process.argv.slice(2);
const count = makeKillCounter(folder, Number(killAfter));
// Of the second run alone: the first is there to be removed.
let isCounting = false;
const effect = (name: string): void => void (isCounting && count(name));

const effectful = new Set(["know", "accept", "keepMarks", "step", "stepAll", "remove", "settleCallback", "forget"]);

/** Every write is an effect: what comes before the next one is what comes after it. */
function watched<Parts extends object>(parts: Parts): Parts {
  return new Proxy(parts, {
    get(target, name, receiver) {
      const found: unknown = Reflect.get(target, name, receiver);
      if (typeof found !== "function" || !effectful.has(String(name))) return found;
      return async (...given: unknown[]) => {
        const what = `${String(name)} ${JSON.stringify(given[2] ?? "").slice(0, 60)}`;
        const answer: unknown = await Reflect.apply(found, target, given);
        effect(what);
        return answer;
      };
    },
  });
}

const database = await openDatabase(url);
const { db } = database;
const log: Log = { ...silentLog, debug: (_fields, message) => void (message.startsWith("run ") && effect(message)) };
const executor = openLocalRuns(folder, log);
const room = makeTestRoom({ db, executor: watched(executor), store: watched(makeRunStore(db)), log });
const all = async (): Promise<readonly Run[]> =>
  (await room.runs.runs({ job: "crash" }, { limit: 10 })).map(({ run }) => run);
const start = (name: string, to: string | null): Promise<Run> =>
  room.runs.start({ stack: jobStack("crash"), parameters: {}, name, at: null, callback: to, actor: anna });

isCounting = (await makeRunStore(db).runs({ job: "crash" }, { limit: 10 })).some(({ name }) => name === "second");
await room.begin();
if ((await all()).length === 0) await start("first", null);
for (let isOver = false; !isOver; await sleep(20)) {
  const runs = await all();
  const second = runs.find(({ name }) => name === "second");
  const first = runs.find(({ name }) => name === "first");
  if (!second && first && isEnded(first.status.state)) {
    isCounting = true;
    await start("second", callback);
  }
  isOver = second !== undefined && isEnded(second.status.state) && second.callback?.settled !== null && !first;
}
await room.close();
await executor.stopAll();
await database.close();
