import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { jobStack } from "./support/runs-world.ts";
import type { RunsRoom } from "../src/runs/room.ts";
import type { Run } from "../src/runs/run.ts";
import { mayStep } from "../src/runs/state.ts";
import { testDatabase } from "./support/postgres.ts";
import { RunModel, type ModelJob, type ModelRun } from "./support/run-model.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "./support/runs-world.ts";
import { makeSetClock } from "./support/set-clock.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

const second = 1_000;
const minute = 60 * second;
const start = "2026-03-02T10:00:30.000Z";

const plain = { shared: null, whenFull: "queue", retries: 0, retryDelayMs: 0, timeoutMs: null, everyMs: null } as const;

const jobsOf = (round: number): readonly ModelJob[] => [
  { ...plain, name: `load-${round}`, limit: 2, shared: 3, retries: 2, retryDelayMs: 45 * second, isPaused: false },
  { ...plain, name: `report-${round}`, limit: null, shared: 3, timeoutMs: 3 * minute, isPaused: false },
  { ...plain, name: `pulse-${round}`, limit: 1, shared: 3, everyMs: 2 * minute, isPaused: false },
  { ...plain, name: `skip-${round}`, limit: 1, whenFull: "skip", retries: 1, isPaused: false },
  { ...plain, name: `newest-${round}`, limit: 1, whenFull: "cancel-running", isPaused: false },
];

function yamlOf({ limit, shared, whenFull, retries, retryDelayMs, timeoutMs, everyMs }: ModelJob): string {
  const limits = [
    ...(limit === null ? [] : [`limit: ${limit}, whenFull: ${whenFull}`]),
    ...(shared === null ? [] : [`shared: {database: ${shared}}`]),
  ];
  return [
    `concurrency: {${limits.join(", ")}}`,
    ...(retries === 0 ? [] : [`retries: {limit: ${retries}, delay: ${retryDelayMs / second}s}`]),
    ...(timeoutMs === null ? [] : [`timeout: ${timeoutMs / second}s`]),
    ...(everyMs === null ? [] : [`schedules: [{name: every, interval: PT${everyMs / minute}M}]`]),
    "",
  ].join("\n");
}

const which = fc.nat(1_000);
const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("run" as const), which, inSeconds: fc.constantFrom(0, 0, 0, 40) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which,
      how: fc.constantFrom("Completed", "Failed", "Crashed"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retry" as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("pass" as const), which, seconds: fc.integer({ min: 1, max: 200 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("limit" as const), which, limit: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pause" as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("end while away" as const), which }) },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

/** A run becomes due in the very millisecond in which a schedule does. */
const atOneMoment: Command[] = [
  { kind: "pass", which: 0, seconds: 50 },
  { kind: "run", which: 0, inSeconds: 40 },
  { kind: "pass", which: 0, seconds: 40 },
];

const one = <Value>(values: readonly Value[], index: number): Value | undefined =>
  values[index % Math.max(1, values.length)];

/** The room, and the model that says what it should come to. */
async function makePair(jobs: readonly ModelJob[], many: number) {
  const clock = makeSetClock(start);
  const executor = makeFakeExecutor(clock);
  const model = new RunModel(jobs, Date.parse(start));
  const open = async (): Promise<RunsRoom> => {
    const opened = makeTestRoom({ db: database.db, executor, clock, many });
    await opened.begin();
    return opened;
  };
  for (const job of jobs) await deployJob(database.db, job.name, yamlOf(job));
  let room = await open();
  await clock.pass(0);

  const keyOf = ({ id, stack, origin }: Run): string =>
    origin.by === "schedule" ? `${stack.deployment}@${origin.time.toISOString()}` : id;
  async function real(): Promise<readonly Run[]> {
    const found = await Promise.all(jobs.map(({ name }) => room.runs.runs({ job: name }, { limit: 1_000 })));
    return found.flat().map(({ run }) => run);
  }
  const idOf = async ({ key }: ModelRun): Promise<string> => (await real()).find((run) => keyOf(run) === key)?.id ?? "";

  const acts = {
    async run({ which: index, inSeconds }: Extract<Command, { kind: "run" }>) {
      const job = one(jobs, index) as ModelJob;
      const dueMs = model.nowMs + inSeconds * second;
      const at = inSeconds === 0 ? null : new Date(dueMs);
      const asked = { stack: jobStack(job.name), parameters: {}, name: "", at, callback: null, actor: anna };
      model.accept((await room.runs.start(asked)).id, job, dueMs);
    },
    async end({ which: index, how }: Extract<Command, { kind: "end" }>) {
      const run = one(model.withState("Running"), index);
      if (!run) return;
      executor.end(await idOf(run), how === "Completed" ? 0 : how === "Failed" ? 1 : null);
      await clock.pass(0);
      model.end(run, how);
    },
    async cancel({ which: index }: Command) {
      const run = one(model.withState("Running", "Scheduled", "Retrying", "AwaitingConcurrencySlot"), index);
      if (!run) return;
      await room.runs.cancel(await idOf(run), anna);
      await clock.pass(0);
      model.cancel(run);
    },
    async retry({ which: index }: Command) {
      const run = one(model.withState("Failed", "Crashed", "TimedOut", "Cancelled"), index);
      if (!run) return;
      await room.runs.retry(await idOf(run), anna);
      await clock.pass(0);
      model.retry(run);
    },
    async pass({ seconds }: Extract<Command, { kind: "pass" }>) {
      await clock.pass(seconds * second);
      model.pass(seconds * second);
    },
    async limit({ which: index, limit }: Extract<Command, { kind: "limit" }>) {
      const job = one(jobs, index) as ModelJob;
      if (job.shared !== null && index % 2 === 0) job.shared = limit;
      else if (job.limit !== null) job.limit = limit;
      room.deploymentChanged(await deployJob(database.db, job.name, yamlOf(job)));
      await clock.pass(0);
      model.settle();
    },
    async pause() {
      const [job] = jobs.filter(({ everyMs }) => everyMs !== null);
      if (!job) return;
      const request = { stack: jobStack(job.name), schedule: "every", actor: anna };
      await (job.isPaused ? room.runs.resumeSchedule(request) : room.runs.pauseSchedule({ ...request, reason: "" }));
      job.isPaused = !job.isPaused;
    },
    async restart() {
      await room.close();
      room = await open();
    },
    async "end while away"({ which: index }: Command) {
      const run = one(model.withState("Running"), index);
      await room.close();
      if (run) executor.end(await idOf(run), 0);
      room = await open();
      await clock.pass(0);
      if (run) model.end(run, "Completed");
    },
  } as const;
  return {
    model,
    executor,
    real,
    keyOf,
    async act(step: Command) {
      await (acts[step.kind] as (step: Command) => Promise<void>)(step);
      await clock.pass(0);
    },
    async close() {
      for (const run of executor.running()) executor.end(run, 0);
      await room.close();
      await database.db.deleteFrom("deployments").execute();
    },
  };
}

function checkHistory({ id, history }: Run): void {
  for (const [index, { state }] of history.entries()) {
    const next = history[index + 1]?.state ?? state;
    assert.ok(next === state || mayStep(state, next), `${id} went from ${state} to ${next}`);
  }
}

test("runs go as a small model says: their states, their order, their slots", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async (commands) => {
      round += 1;
      // Every other time, what a schedule starts is written down before.
      const pair = await makePair(jobsOf(round), 1 + (round % 2));
      try {
        for (const [index, step] of commands.entries()) {
          await pair.act(step);
          const runs = await pair.real();
          const states = Object.fromEntries(runs.map((run) => [pair.keyOf(run), run.status.state]));
          assert.deepEqual(states, pair.model.states(), `after ${index + 1} commands`);
          const live = runs.filter(({ status }) => status.state === "Running").map(({ id }) => id);
          assert.deepEqual([...pair.executor.running()].toSorted(), live.toSorted(), "what runs is what holds slots");
          for (const run of runs) checkHistory(run);
        }
        assert.equal(new Set(pair.executor.starts).size, pair.executor.starts.length, "no attempt was started twice");
      } finally {
        await pair.close();
      }
    }),
    { numRuns: Number(process.env["WAYBILL_TEST_MODEL_RUNS"] ?? 20), examples: [[atOneMoment]] },
  );
});
