// How many runs go through, beside a bare spawn loop, and what a long queue costs. Usage: node bench/runs.ts [queue length]
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import { spawnHere } from "../src/core/spawn.ts";
import { silentLog } from "../src/core/log.ts";
import type { StackName } from "../src/core/stack.ts";
import type { RunsRoom } from "../src/runs/room.ts";
import { isEnded } from "../src/runs/state.ts";
import type { Database } from "../src/store/database.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeLocalRuns } from "../src/targets/local/runs/executor.ts";
import { Trees } from "../src/targets/local/trees/trees.ts";
import { fakeSecrets, makeFakeTrees, removeTree } from "../test/support/local-target.ts";
import { startTestPostgres } from "../test/support/postgres-server.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "../test/support/runs-world.ts";
import { median, ratioLine } from "./support.ts";

const round = (value: number): number => Number(value.toFixed(1));
const lanes = 8;
const rounds = 7;
const runsPerRound = 40;
const queueLength = Number(process.argv[2] ?? 100_000);

const postgres = await startTestPostgres();
const database = await openDatabase(postgres.url);
const { db } = database;
const folder = mkdtempSync(join(tmpdir(), "waybill-bench-runs-"));
try {
  await benchRate(db);
  await benchQueue(db);
} finally {
  await database.close();
  await postgres.stop();
  removeTree(folder);
}

function startOf(room: RunsRoom, stack: StackName) {
  return room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
}

async function benchRate(database: Database): Promise<void> {
  const source = makeFakeTrees();
  const tree = source.add({ README: "x" });
  const trees = new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} });
  const executor = makeLocalRuns({
    folder: join(folder, "runs"),
    trees,
    secrets: fakeSecrets({}),
    clock: systemClock,
    log: silentLog,
    spawn: spawnHere,
    maxOutputBytes: 2 ** 30,
  });
  const room = makeTestRoom({ db: database, executor });
  // As many at once by the one as by the other: on a busy machine, more of them would get more of it.
  const node = await deployJob(database, "node", `command: node -e 0\nconcurrency: {limit: ${lanes}}\n`, tree);
  await room.begin();
  const [bare, run]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    bare.push(await rate(runsPerRound, bareLanes));
    run.push(
      await rate(runsPerRound, async () => {
        const ended = endsOf(room, runsPerRound);
        await Promise.all(Array.from({ length: runsPerRound }, () => startOf(room, node)));
        await ended;
      }),
    );
  }
  await room.close();
  await executor.stopAll();
  const [own, other] = [median(run), median(bare)];
  console.log(`runs of "node -e 0" a second: ${round(own)} (wanted at least 35 on two idle cores)`);
  const competitor = `a bare spawn loop (${round(other)} a second), both ${lanes} at once`;
  console.log(ratioLine("rate of runs", { ratio: own / other, wanted: "at least 0.8", competitor }));
  if (own / other < 0.8) process.exitCode = 1;
}

async function bareLanes(): Promise<void> {
  const each = runsPerRound / lanes;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let index = 0; index < each; index += 1) await bareNode();
    }),
  );
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

/** Heard, not asked for: asking every few milliseconds would cost as much as a run itself. */
function endsOf(room: RunsRoom, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const ended = new Set<string>();
  const stop = room.runs.changes.listen(({ id, status }) => {
    if (isEnded(status.state)) ended.add(id);
    if (ended.size === count) resolve();
  });
  return promise.finally(stop);
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
      while (executor.running().length === 0) await systemClock.sleep(1);
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
  const ratio = (times[1] ?? 0) / (times[0] ?? 1);
  console.log(
    ratioLine(`dispatch with ${queueLength} waiting`, { ratio, wanted: "at most 2", competitor: "that with 100" }),
  );
  if (ratio > 2) process.exitCode = 1;
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
