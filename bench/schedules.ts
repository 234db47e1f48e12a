// How late runs are that are due at once, beside rows that are merely inserted, and beside Debian's cron.
// Usage: node bench/schedules.ts [schedules]
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import { spawnHere } from "../src/core/spawn.ts";
import type { Database } from "../src/store/database.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeLocalRuns } from "../src/targets/local/runs/executor.ts";
import { Trees } from "../src/targets/local/trees/trees.ts";
import type { RunEnd, RunExecutor } from "../src/targets/run-executor.ts";
import { fakeSecrets, makeFakeTrees, removeTree } from "../test/support/local-target.ts";
import { startTestPostgres } from "../test/support/postgres-server.ts";
import { jobStack, makeTestRoom } from "../test/support/runs-world.ts";
import { workloadOf } from "../test/support/workloads.ts";
import { median, ratioLine } from "./support.ts";

const many = Number(process.argv[2] ?? 10_000);
const few = 100;
const perStatement = 1_000;
// As many runs at once as one target takes (limits.ts): what is measured here is no line.
const perTarget = 200;

const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;
const round = (value: number): number => Number(value.toFixed(1));

const nextMinute = (): Date => new Date(Math.ceil((Date.now() + 15_000) / 60_000) * 60_000);
const commandOf = (marks: string, index: number): string => `: > ${marks}/${index}`;

const postgres = await startTestPostgres();
const folder = mkdtempSync(join(tmpdir(), "waybill-bench-schedules-"));
const database = await openDatabase(postgres.url);
try {
  await benchMany(database.db);
  await benchFew(database.db);
} finally {
  await database.close();
  await postgres.stop();
  removeTree(folder);
}

interface Jobs {
  readonly count: number;
  readonly at: Date;
  readonly prefix: string;
  readonly command: (index: number) => string;
  readonly source: Parameters<typeof workloadOf>[1];
}

/** As if they had been applied; each is due once, at the same moment. */
async function deploy(db: Database, { count, at, prefix, command, source }: Jobs): Promise<void> {
  await db
    .insertInto("repositories")
    .values({ name: "shop", url: null, default_branch: "main", problem: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const schedule = `{name: once, interval: PT24H, anchor: "${at.toISOString()}", startAt: "${at.toISOString()}"}`;
  const example = workloadOf(`kind: job\nname: x\ncommand: COMMAND\nschedules: [${schedule}]\n`, source);
  const rows = Array.from({ length: count }, (_, index) => {
    const name = `${prefix}${index}`;
    const { repository, environment } = jobStack(name);
    const spec = { ...example.spec, name, command: command(index) };
    const target = `target-${Math.floor(index / perTarget)}`;
    const text = JSON.stringify({ ...example, spec, target, stack: jobStack(name) });
    const digests = { desired_digest: name, applied_digest: name, failed_digest: null };
    const workload = { kind: "job" as const, workload: text, applied_workload: text };
    const rest = { hosts: [], snapshot: 1, commit: "1".repeat(40), blocked: null, state: "ready" as const };
    return { repository, environment, name, ...workload, ...digests, ...rest, reason: "", url: null };
  });
  for (let first = 0; first < count; first += 1_000) {
    await db
      .insertInto("deployments")
      .values(rows.slice(first, first + 1_000))
      .execute();
  }
}

async function benchMany(db: Database): Promise<void> {
  const handed = new Map<string, number[]>();
  const at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 1_000 * Math.ceil(10 + many / 200));
  await deploy(db, { count: many, at, prefix: "many-", command: () => "true", source: { source: null } });
  await sql`analyze`.execute(db);
  const end: RunEnd = {
    exitStatus: 0,
    signal: null,
    crash: null,
    reason: "",
    endedAt: at,
    peakMemoryBytes: null,
    result: null,
    resultFault: null,
    files: [],
  };
  /** Is told what to start, and starts nothing. */
  const executor: RunExecutor = {
    async start({ workload }) {
      const { deployment } = workload.stack;
      handed.set(deployment, [...(handed.get(deployment) ?? []), Date.now() - at.getTime()]);
      return { startedAt: new Date(), ended: async () => end, stop: () => Promise.resolve() };
    },
    adopt: () => Promise.resolve({ kind: "never started" }),
    async *logs() {
      // It says nothing.
    },
    openFile: () => Promise.resolve(null),
    forget: () => Promise.resolve(),
  };
  const room = makeTestRoom({ db, executor });
  const began = performance.now();
  await room.begin();
  console.log(`${many} schedules: taken up in ${round(performance.now() - began)} ms`);
  if (Date.now() > at.getTime())
    throw new Error("this machine needs longer: the schedules were due before they were known");
  const wait = at.getTime() - Date.now();
  await systemClock.sleep(wait + 500);
  for (let ended = 0; ended < many; await systemClock.sleep(200)) {
    const { rows } = await sql<{ count: string }>`select count(*) from runs where state = 'Completed'`.execute(db);
    ended = Number(rows[0]?.count);
    if (Date.now() - at.getTime() > 120_000) break;
  }
  const allEnded = Date.now() - at.getTime();
  const late = [...handed.values()].flat();
  const doubles = [...handed.values()].filter(({ length }) => length > 1).length;
  const [p50, p99] = [median(late), percentile(late, 0.99)];
  console.log(
    `handed to an executor that starts nothing: p50 ${p50} ms late, p99 ${p99} ms, the last ${Math.max(...late)} ms`,
  );
  console.log(`missed ${many - handed.size}, double ${doubles}; all had ended after ${allEnded} ms`);
  const copyMs = await bareWrites(db);
  const ratio = p99 / copyMs;
  const competitor = `bare statements that write the same rows, ${perStatement} each (${round(copyMs)} ms)`;
  console.log(ratioLine("lateness of dispatch, p99", { ratio, wanted: "as near to 1 as can be", competitor }));
  console.log(`lateness of dispatch, p99: ${p99} ms (wanted at most 100 ms)`);
  if (handed.size < many || doubles > 0 || p99 > 100) process.exitCode = 1;
  await room.close();
}

/** Milliseconds for the same rows, by the same driver, into a table with the same indexes, and nothing else. */
async function bareWrites(db: Database): Promise<number> {
  await sql`create table bare_runs (like runs including all)`.execute(db);
  const { rows } = await sql<{ text: string }>`select to_jsonb(runs)::text as text from runs`.execute(db);
  const chunks = Array.from({ length: Math.ceil(rows.length / perStatement) }, (_, index) =>
    rows.slice(index * perStatement, (index + 1) * perStatement).map(({ text }) => text),
  );
  const began = performance.now();
  for (const chunk of chunks) {
    await sql`insert into bare_runs overriding system value
      select * from jsonb_populate_recordset(null::bare_runs, ${`[${chunk.join(",")}]`}::jsonb)`.execute(db);
  }
  return performance.now() - began;
}

/** The same shell command a hundred times in one minute: once by Waybill, once by cron. */
async function benchFew(db: Database): Promise<void> {
  const marks = { waybill: join(folder, "by-waybill"), cron: join(folder, "by-cron") };
  for (const path of Object.values(marks)) mkdirSync(path);
  const own = await fewByWaybill(db, marks.waybill);
  console.log(
    `${few} processes due at once: p50 ${round(median(own))} ms late, p99 ${round(percentile(own, 0.99))} ms`,
  );
  if (process.getuid?.() !== 0 || !existsSync("/usr/sbin/cron")) {
    return console.log("no cron here, or no right to start one of our own: it is left out");
  }
  const cron = await fewByCron(marks.cron);
  console.log(`the same by cron: p50 ${round(median(cron))} ms late, p99 ${round(percentile(cron, 0.99))} ms`);
  const ratio = percentile(own, 0.99) / percentile(cron, 0.99);
  console.log(ratioLine(`${few} due at once, p99`, { ratio, wanted: "as near to 1 as can be", competitor: "cron's" }));
}

/** In milliseconds, of each of them. */
async function lateness(marks: string, due: Date): Promise<readonly number[]> {
  await systemClock.sleep(due.getTime() - Date.now());
  while (readdirSync(marks).length < few && Date.now() < due.getTime() + 60_000) await systemClock.sleep(100);
  const names = readdirSync(marks);
  if (names.length < few) throw new Error(`${few - names.length} of ${few} were missed`);
  return names.map((name) => statSync(join(marks, name)).mtimeMs - due.getTime());
}

async function fewByWaybill(db: Database, marks: string): Promise<readonly number[]> {
  const source = makeFakeTrees();
  const tree = source.add({ README: "x" });
  const executor = makeLocalRuns({
    folder: join(folder, "runs"),
    trees: new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} }),
    secrets: fakeSecrets({}),
    clock: systemClock,
    log: silentLog,
    spawn: spawnHere,
    maxOutputBytes: 2 ** 20,
  });
  await db.deleteFrom("deployments").execute();
  const at = nextMinute();
  const command = (index: number): string => commandOf(marks, index);
  await deploy(db, { count: few, at, prefix: "few-", command, source: { source: tree } });
  const room = makeTestRoom({ db, executor });
  await room.begin();
  const late = await lateness(marks, at);
  await room.close();
  await executor.stopAll();
  return late;
}

/** A cron of our own: nothing of the machine's crontabs is seen by it. */
async function fewByCron(marks: string): Promise<readonly number[]> {
  const spool = join(folder, "spool");
  const empty = join(folder, "empty");
  for (const path of [spool, empty]) mkdirSync(path, { mode: 0o700 });
  const lines = Array.from({ length: few }, (_, index) => `* * * * * ${commandOf(marks, index)}\n`);
  writeFileSync(join(spool, "root"), lines.join(""), { mode: 0o600 });
  const script = [
    `mount --bind ${spool} /var/spool/cron/crontabs`,
    `mount --bind ${empty} /etc/cron.d`,
    "mount --bind /dev/null /etc/crontab",
    `mount --bind ${empty} /run`,
    "exec /usr/sbin/cron -f",
  ].join(" && ");
  const at = nextMinute();
  const cron = spawn("unshare", ["--mount", "sh", "-c", script], { stdio: "ignore" });
  try {
    return await lateness(marks, at);
  } finally {
    cron.kill("SIGTERM");
  }
}
