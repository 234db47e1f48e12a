import assert from "node:assert/strict";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../core/clock.ts";
import { fakeSecrets, makeFakeTrees, removeTree } from "../../../../test/support/local-target.ts";
import { workloadOf } from "../../../../test/support/workloads.ts";
import { WaybillError } from "../../../core/errors.ts";
import { onlyServer, type Lease } from "../../../core/lease.ts";
import { silentLog } from "../../../core/log.ts";
import { spawnHere } from "../../../core/spawn.ts";
import type { LogLine } from "../../workload.ts";
import type { RunEnd, RunOrder, StartedRun } from "../../run-executor.ts";
import { processesMarked } from "../processes/process-table.ts";
import { Trees } from "../trees/trees.ts";
import { makeLocalRuns, type LocalRuns } from "./executor.ts";

const signal = AbortSignal.timeout(60_000);
const options = { signal, closing: signal, onProgress: () => undefined, onWaiting: () => undefined };

interface World extends AsyncDisposable {
  readonly runs: LocalRuns;
  order(command: string, changes?: Partial<RunOrder>): RunOrder;
  start(order: RunOrder): Promise<StartedRun>;
  /** Where a run's files are. */
  output(run: string): string;
}

function makeWorld(clock = systemClock, lease: Pick<Lease, "confirm"> = onlyServer): World {
  const folder = mkdtempSync(join(tmpdir(), "waybill-run-"));
  const source = makeFakeTrees();
  const tree = source.add({ README: "x" });
  const trees = new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} });
  const secrets = fakeSecrets({ "api-key@1": "hunter2" });
  const runs = makeLocalRuns({
    folder: join(folder, "runs"),
    trees,
    secrets,
    clock,
    log: silentLog,
    spawn: spawnHere,
    lease,
    maxOutputBytes: 3_000,
  });
  const workload = workloadOf("kind: job\nname: job\ncommand: x\nstopTimeout: 1s\n", { source: tree });
  return {
    runs,
    order: (command, changes) => ({ run: "r1", attempt: 1, workload, command, env: {}, secrets: [], ...changes }),
    start: (order) => runs.start(order, options),
    output: (run) => join(folder, "runs/runs", run, "output"),
    async [Symbol.asyncDispose]() {
      await runs.stopAll();
      removeTree(folder);
    },
  };
}

const endOf = async (world: World, command: string, changes?: Partial<RunOrder>): Promise<RunEnd> =>
  (await world.start(world.order(command, changes))).ended(signal);

test("a result that no database keeps is left out with the reason, and its run has succeeded", async () => {
  await using world = makeWorld();
  const faults = [
    ['{"a":"\\\\u0000"}', /it holds the character U\+0000: leave it out/],
    ['["\\\\ud800"]', /it holds half of a surrogate pair/],
    ["\\000", /it is not JSON/],
  ] as const;
  for (const [index, [result, wanted]] of faults.entries()) {
    const end = await endOf(world, `printf '${result}' > "$WAYBILL_RESULT"`, { run: `r${index + 2}` });
    assert.deepEqual([end.exitStatus, end.crash, end.result], [0, null, null]);
    assert.match(end.resultFault ?? "", wanted);
    assert.ok(!end.resultFault?.includes("\0"));
  }
});

test("lines have the time of their own attempt, however short it was", async () => {
  await using world = makeWorld();
  await endOf(world, "echo first");
  const between = new Date();
  await sleep(50);
  await endOf(world, "echo second; sleep 1", { attempt: 2 });
  const lines: LogLine[] = [];
  for await (const line of world.runs.logs("r1", { lines: 10, follow: false, signal })) lines.push(line);
  const timeOf = (text: string): string => lines.find((line) => line.text === text)?.at ?? "";
  assert.ok(timeOf("first") <= between.toISOString(), timeOf("first"));
  assert.ok(timeOf("second") > between.toISOString());
});

test("what a failing program printed last is told with what no database keeps replaced", async () => {
  await using world = makeWorld();
  const { reason } = await endOf(world, "printf 'a\\000b\\n'; exit 1");
  assert.match(reason, /last line:\n {2}a\u2400b$/);
});

test("a program's status, result, files and log are kept", async () => {
  await using world = makeWorld();
  const command = `echo hello; echo '[1]' > "$WAYBILL_RESULT"; mkdir "$WAYBILL_OUTPUT/a"; echo x > "$WAYBILL_OUTPUT/a/b"; ln -s /etc/passwd "$WAYBILL_OUTPUT/link"`;
  const end = await endOf(world, command);
  assert.deepEqual([end.exitStatus, end.reason, end.result], [0, "", [1]]);
  assert.deepEqual(end.files, [{ path: "a/b", bytes: 2 }]);
  assert.equal(await new Response((await world.runs.openFile("r1", "a/b"))?.body).text(), "x\n");
  for (const path of ["link", "../result.json", "/etc/passwd", "a", "a/c", ""]) {
    assert.equal(await world.runs.openFile("r1", path), null, path);
  }
  const lines = [];
  for await (const { text } of world.runs.logs("r1", { lines: 10, follow: false, signal })) lines.push(text);
  assert.deepEqual(lines, ["hello"]);
  assert.equal(world.runs.treesInUse().size, 0);
});

test("how it went wrong is said, without its secrets", async () => {
  await using world = makeWorld();
  const secrets = [{ name: "api-key", version: 1, env: "WAYBILL_PARAM_KEY" }];
  const failed = await endOf(world, 'echo "key $WAYBILL_PARAM_KEY"; exit 3', { secrets });
  assert.match(failed.reason, /^exited with status 3 after [\d.]+ s\nlast line:\n {2}key \[redacted\]$/);
  const killed = await endOf(world, "kill -KILL $$", { run: "r2" });
  assert.deepEqual([killed.crash, killed.signal, killed.exitStatus], ["killed by SIGKILL", "SIGKILL", null]);
  const missing = await endOf(world, "no-such-program", { run: "r3" });
  assert.match(missing.reason, /^the command was not found \(status 127\)/);
  const wordy = await endOf(world, 'echo not json > "$WAYBILL_RESULT"', { run: "r4" });
  assert.match(wordy.resultFault ?? "", /^what it wrote to \$WAYBILL_RESULT is not kept: it is not JSON/);
  const large = await endOf(world, 'head -c 1048577 /dev/zero > "$WAYBILL_RESULT"', { run: "r5" });
  assert.match(large.resultFault ?? "", /1048577 bytes, and at most 1048576 are kept/);
});

test("of too much output the first files are kept, and the run says so whatever came of it", async () => {
  await using world = makeWorld();
  const leave =
    'cd "$WAYBILL_OUTPUT"; for name in b a c; do head -c 1400 /dev/zero > $name; done; head -c 10 /dev/zero > d';
  const said = "3 of the 4 files of 4210 bytes that it left are kept: at most 1000 files of 3000 bytes together are";
  const end = await endOf(world, leave);
  assert.deepEqual([end.exitStatus, end.resultFault], [0, said]);
  assert.deepEqual(
    end.files.map(({ path }) => path),
    ["a", "b", "d"],
  );
  assert.equal(await world.runs.openFile("r1", "c"), null);
  const failed = await endOf(world, `${leave}; exit 3`, { run: "r2" });
  assert.equal(failed.exitStatus, 3);
  assert.ok(failed.reason.endsWith(`\n${said}`), failed.reason);
  const many = await endOf(world, 'cd "$WAYBILL_OUTPUT"; for n in $(seq 1100); do : > $n; done', { run: "r3" });
  assert.equal(many.files.length, 1_000);
  assert.match(many.resultFault ?? "", /^1000 of the 1100 files/);
});

test("stopping ends what ignores the polite signal, and what left the group", async () => {
  await using world = makeWorld();
  const order = world.order(`trap '' TERM; setsid sh -c 'sleep 60' & while :; do sleep 0.1; done`);
  const started = await world.start(order);
  await systemClock.sleep(200);
  await started.stop("cancelled by anna");
  const end = await started.ended(signal);
  assert.equal(end.exitStatus, null);
  const lines = [];
  for await (const { text } of world.runs.logs("r1", { lines: 10, follow: false, signal })) lines.push(text);
  assert.ok(lines.includes("being ended: cancelled by anna"), lines.join("\n"));
});

test("what is adopted began as long ago as it runs, though the clock was set meanwhile", async (context) => {
  if (process.platform !== "linux") return context.skip("only Linux tells the age of a process");
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) };
  await using world = makeWorld(clock);
  const order = world.order("echo up; sleep 60");
  const begun = await world.start(order);
  const up = new AbortController();
  for await (const _line of world.runs.logs("r1", { lines: 10, follow: true, signal: up.signal })) up.abort();
  for (const hours of [1, -1]) {
    aheadMs = hours * 3_600_000;
    const adopted = await world.runs.adopt(order, options);
    assert.ok(adopted.kind === "started");
    const ageMs = clock.now().getTime() - adopted.started.startedAt.getTime();
    assert.ok(ageMs >= 0 && ageMs < 30_000, `${ageMs} ms`);
  }
  await begun.stop("the test is over");
});

test("kill -9 of a job's process, or of what watches it, ends the run, and nothing of it is left", async (context) => {
  if (process.platform !== "linux") return context.skip("only Linux tells whose processes these are");
  const marker = "WAYBILL_INSTANCE=r1";
  for (const chosen of ["all", "its parent"]) {
    await using world = makeWorld();
    const begun = await world.start(world.order("echo up; sleep 60; echo over"));
    const up = new AbortController();
    for await (const _line of world.runs.logs("r1", { lines: 10, follow: true, signal: up.signal })) up.abort();
    const pids = processesMarked(marker);
    const leader = pids.toSorted((a, b) => a - b)[0] ?? 0;
    for (const pid of chosen === "all" ? pids : [leader]) process.kill(pid, "SIGKILL");
    const end = await begun.ended(signal);
    assert.equal(end.crash, "killed by SIGKILL", chosen);
    for (let tries = 0; tries < 200 && processesMarked(marker).length > 0; tries += 1) await sleep(50);
    assert.deepEqual(processesMarked(marker), [], chosen);
  }
});

test("a start is adopted for what it is: ended, or never begun and never to begin", async () => {
  await using world = makeWorld();
  const order = world.order("exit 4");
  await (await world.start(order)).ended(signal);
  const adopted = await world.runs.adopt(order, options);
  assert.equal(adopted.kind === "started" && (await adopted.started.ended(signal)).exitStatus, 4);
  const next = { ...order, attempt: 2 };
  assert.equal((await world.runs.adopt(next, options)).kind, "never started");
  // Of the attempt that came in its place.
  writeFileSync(join(world.output("r1"), "left"), "x");
  await assert.rejects(world.start(next), { code: "RUN_LOST" }, "its number is used up");
  assert.ok(existsSync(join(world.output("r1"), "left")));
});

test("who has lost the lease neither ends nor tidies up what another server goes on with", async () => {
  let isLost = false;
  const lost = new WaybillError("LEASE_LOST", "another server has taken over");
  const lease = { confirm: () => (isLost ? Promise.reject(lost) : Promise.resolve()) };
  await using world = makeWorld(systemClock, lease);
  const [first, second] = [world.order("sleep 60"), world.order("sleep 0.3", { run: "r2" })];
  const [begun, short] = [await world.start(first), await world.start(second)];
  isLost = true;
  await begun.stop("it takes longer than its timeout");
  if (process.platform === "linux") assert.notDeepEqual(processesMarked("WAYBILL_INSTANCE=r1"), []);
  await assert.rejects(short.ended(signal), lost);
  assert.ok(existsSync(join(world.output("r2"), "../private")));
  isLost = false;
  await begun.stop("the test is over");
  assert.equal((await begun.ended(signal)).signal, "SIGTERM");
});
