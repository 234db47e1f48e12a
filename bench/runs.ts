// What a run costs, each beside a bare start of the same process. Usage: node bench/runs.ts [queue length]
import { spawn } from "node:child_process";
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnHere } from "../src/core/spawn.ts";
import { silentLog } from "../src/core/log.ts";
import type { StackName } from "../src/core/stack.ts";
import type { RunsRoom } from "../src/runs/room.ts";
import type { Database } from "../src/store/database.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeLocalRuns } from "../src/targets/local/runs/executor.ts";
import { Trees } from "../src/targets/local/trees.ts";
import { fakeSecrets, makeFakeTrees, realClock, removeTree } from "../test/support/local-target.ts";
import { startTestPostgres } from "../test/support/postgres-server.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "../test/support/runs-world.ts";

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const round = (value: number): number => Number(value.toFixed(1));
const queueLength = Number(process.argv[2] ?? 100_000);

const postgres = await startTestPostgres();
const database = await openDatabase(postgres.url);
const { db } = database;
const folder = mkdtempSync(join(tmpdir(), "waybill-bench-runs-"));
try {
  await benchStarts(db);
  await benchQueue(db);
} finally {
  await database.close();
  await postgres.stop();
  removeTree(folder);
}

function startOf(room: RunsRoom, stack: StackName) {
  return room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
}

async function benchStarts(database: Database): Promise<void> {
  const source = makeFakeTrees();
  const tree = source.add({ README: "x" });
  const trees = new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} });
  const executor = makeLocalRuns({
    folder: join(folder, "runs"),
    trees,
    secrets: fakeSecrets({}),
    clock: realClock,
    log: silentLog,
    spawn: spawnHere,
    maxOutputBytes: 2 ** 30,
  });
  const room = makeTestRoom({ db: database, executor });
  const mark = join(folder, "mark");
  const touch = await deployJob(database, "touch", `command: touch ${mark}\n`, tree);
  const node = await deployJob(database, "node", `command: node -e 0\n`, tree);
  await room.begin();
  const [bare, run]: [number[], number[]] = [[], []];
  for (let round = 0; round < 30; round += 1) {
    bare.push(await timeToMark(mark, () => void spawn("touch", [mark], { stdio: "ignore" })));
    run.push(await timeToMark(mark, () => startOf(room, touch)));
    await allEnded(room, "touch");
  }
  console.log(
    `call to process started, p50: ${round(median(run))} ms; the same process bare: ${round(median(bare))} ms`,
  );
  const count = 100;
  const bareRate = await rate(count, async () => {
    await Promise.all(
      Array.from({ length: 8 }, async (_, lane) => {
        for (let index = lane; index < count; index += 8) await bareNode();
      }),
    );
  });
  const runRate = await rate(count, async () => {
    for (let index = 0; index < count; index += 1) await startOf(room, node);
    await allEnded(room, "node");
  });
  console.log(
    `runs of "node -e 0" a second: ${round(runRate)}; bare, eight at once: ${round(bareRate)} (${round(runRate / bareRate)}x)`,
  );
  await room.close();
  await executor.stopAll();
}

function bareNode(): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn("node", ["-e", "0"], { stdio: "ignore" })
      .once("error", reject)
      .once("exit", () => resolve());
  });
}

async function rate(count: number, act: () => Promise<void>): Promise<number> {
  const from = performance.now();
  await act();
  return (count * 1_000) / (performance.now() - from);
}

async function timeToMark(path: string, act: () => unknown): Promise<number> {
  const before = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const from = Date.now();
  await act();
  for (;;) {
    const at = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (at > before) return at - from;
    await realClock.sleep(1);
  }
}

async function allEnded(room: RunsRoom, job: string): Promise<void> {
  for (;;) {
    const live = await room.runs.runs(
      { job, states: ["Scheduled", "AwaitingConcurrencySlot", "Pending", "Running"] },
      { limit: 1 },
    );
    if (live.length === 0) return;
    await realClock.sleep(5);
  }
}

/** From the end of one run to the start of the next, with so many waiting behind it. */
async function benchQueue(database: Database): Promise<void> {
  const times = [];
  for (const length of [100, queueLength]) {
    const executor = makeFakeExecutor();
    const room = makeTestRoom({ db: database, executor });
    const name = `queue-${length}`;
    const stack = await deployJob(database, name, "concurrency: {limit: 1}\n");
    await room.begin();
    await startOf(room, stack);
    await startOf(room, stack);
    await fill(database, name, length);
    const ended: number[] = [];
    for (let round = 0; round < 50; round += 1) {
      while (executor.running().length === 0) await realClock.sleep(1);
      const [running = ""] = executor.running();
      const started = executor.starts.length;
      const from = performance.now();
      executor.end(running, 0);
      while (executor.starts.length === started) await new Promise(setImmediate);
      ended.push(performance.now() - from);
    }
    times.push(median(ended));
    console.log(`end of a run to start of the next, ${length} waiting, p50: ${round(median(ended))} ms`);
    await room.close();
  }
  console.log(`${queueLength} waiting cost ${round((times[1] ?? 0) / (times[0] ?? 1))}x the dispatch of 100`);
}

/** Copies of the run that waits already: what accepting them costs is measured elsewhere. */
async function fill(database: Database, job: string, length: number): Promise<void> {
  const { sql } = await import("kysely");
  await sql`insert into runs (id, repository, environment, job, name, revision, asked_by, parameters, accepted_at,
      due_at, state, history, attempt)
    select ${job} || n, repository, environment, job, name, revision, asked_by, parameters, accepted_at,
      due_at + n * interval '1 microsecond', state, history, attempt
    from runs, generate_series(1, ${length}::int) n where job = ${job} and state = 'AwaitingConcurrencySlot'`.execute(
    database,
  );
  await sql`analyze runs`.execute(database);
}
