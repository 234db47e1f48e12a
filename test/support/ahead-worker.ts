// Schedules that are due at one moment, in a process of its own, to be killed: a real database, real processes.
// Arguments: database, folder, the effect after which to die (empty: never), and how: by SIGKILL, or SIGSTOP for one that
// stands still until it is replaced. It acts under the lease, as a server does.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { spawnHere } from "../../src/core/spawn.ts";
import { makeLease } from "../../src/core/lease.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { treeSha } from "../../src/core/names.ts";
import { isEnded } from "../../src/runs/state.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { makeLeaseBook, newHolder } from "../../src/store/replicas/lease-book.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import { makeLocalRuns } from "../../src/targets/local/runs/executor.ts";
import { Trees } from "../../src/targets/local/trees/trees.ts";
import { fakeSecrets, makeFakeTrees } from "./local-target.ts";
import { deployJob, makeTestRoom } from "./runs-world.ts";
import { stateOf } from "./worker-process.ts";

const [url = "", folder = "", killAfter = "", signal = "SIGKILL"] = process.argv.slice(2);
let stoodMs = 0;
function effect(name: string): void {
  if (name !== killAfter || stoodMs > 0) return;
  writeFileSync(join(folder, "killed"), name);
  stoodMs = 60_000;
  process.kill(process.pid, signal);
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

const holder = newHolder();
const book = makeLeaseBook({
  url,
  holder,
  place: String(process.pid),
  isDead: (place) => stateOf(place) !== "running",
});
while (!(await book.take()).isOurs) await sleep(50);
const elapsedMs = (): number => performance.now() + stoodMs;
const lease = makeLease({ book, clock: systemClock, log: silentLog, elapsedMs });
const keeping = new AbortController();
const kept = lease.keep(keeping.signal);
void lease.lost.then(() => process.exit(75));
const database = await openDatabase(url, { name: holder });
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
  lease,
  maxOutputBytes: 2 ** 30,
});

/** Two jobs are due at one moment, and one of them twice: the second of these has to wait. */
async function deploy(): Promise<void> {
  const at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 8_000).toISOString();
  const schedule = (name: string): string => `{name: ${name}, interval: PT24H, anchor: "${at}", startAt: "${at}"}`;
  const told = join(folder, "told");
  const command = `echo $WAYBILL_DEPLOYMENT $WAYBILL_SCHEDULE >> ${told}; echo x > $WAYBILL_OUTPUT/left; sleep 0.5`;
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
  // Whose place was taken has no connection any more.
  const runs = await room.runs.runs({}, { limit: 10 }).catch(() => []);
  count = runs.filter(({ run }) => isEnded(run.status.state)).length;
}
await lease.confirm().catch(() => process.exit(75));
await room.close();
await executor.stopAll();
keeping.abort();
await kept;
await book.close();
await database.close();
