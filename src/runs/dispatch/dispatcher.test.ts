import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { testDatabase } from "../../../test/support/postgres.ts";
import {
  anna,
  deployJob,
  makeFakeExecutor,
  makeTestRoom,
  type FakeExecutor,
} from "../../../test/support/runs-world.ts";
import { WaybillError } from "../../core/errors.ts";
import type { StackName } from "../../core/stack.ts";
import type { RunsRoom } from "../room.ts";
import type { Run } from "../run.ts";
import { isEnded, isLive, mayStep } from "../state.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

interface World {
  readonly room: RunsRoom;
  readonly executor: FakeExecutor;
}

async function withRoom(act: (world: World) => Promise<void>, executor = makeFakeExecutor()): Promise<void> {
  const room = makeTestRoom({ db: database.db, executor });
  await room.begin();
  try {
    await act({ room, executor });
  } finally {
    await room.close();
  }
}

const start = ({ room }: World, stack: StackName): Promise<Run> =>
  room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
const stateOf = async ({ room }: World, { id }: Run): Promise<string> => (await room.runs.run(id)).run.status.state;

async function becomes(world: World, run: Run, state: string): Promise<Run> {
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await stateOf(world, run)) === state) return (await world.room.runs.run(run.id)).run;
    await sleep(10);
  }
  throw new assert.AssertionError({ message: `run ${run.id} is ${await stateOf(world, run)}, not ${state}` });
}

test("a run is started at once, and takes only legal steps to its end", async () => {
  const stack = await deployJob(database.db, "plain", "");
  await withRoom(async (world) => {
    const run = await start(world, stack);
    await becomes(world, run, "Running");
    world.executor.end(run.id, 0);
    const { history } = await becomes(world, run, "Completed");
    assert.deepEqual(
      history.map(({ state }) => state),
      ["Scheduled", "Pending", "Running", "Completed"],
    );
  });
});

test("a queue is first come, first served, and says who holds the slot", async () => {
  const stack = await deployJob(database.db, "queue", "concurrency: {limit: 1}\n");
  await withRoom(async (world) => {
    const runs = [await start(world, stack), await start(world, stack), await start(world, stack)];
    const [first, second, third] = runs as [Run, Run, Run];
    await becomes(world, first, "Running");
    const { waitingFor } = await world.room.runs.run(third.id);
    assert.equal(waitingFor, `a slot of job queue: 1 of 1 is held by run ${first.id}`);
    for (const [ending, next] of [
      [first, second],
      [second, third],
    ] as const) {
      world.executor.end(ending.id, 0);
      await becomes(world, next, "Running");
    }
    world.executor.end(third.id, 0);
    await becomes(world, third, "Completed");
  });
});

test("whenFull: skip drops a run too many, and cancel-running ends the oldest for it", async () => {
  const skips = await deployJob(database.db, "skips", "concurrency: {limit: 1, whenFull: skip}\n");
  const replaces = await deployJob(database.db, "replaces", "concurrency: {limit: 1, whenFull: cancel-running}\n");
  await withRoom(async (world) => {
    const kept = await start(world, skips);
    const dropped = await start(world, skips);
    const { run } = await world.room.runs.run(dropped.id);
    assert.equal(run.status.state, "Cancelled");
    assert.match(run.status.reason, new RegExp(`^skipped, .* is held by run ${kept.id}$`));
    const old = await start(world, replaces);
    await becomes(world, old, "Running");
    const fresh = await start(world, replaces);
    await becomes(world, old, "Cancelled");
    await becomes(world, fresh, "Running");
    await world.room.runs.cancel(fresh.id, anna);
    await world.room.runs.cancel(kept.id, anna);
    await becomes(world, fresh, "Cancelled");
    await becomes(world, kept, "Cancelled");
  });
});

test("what its target has replaced was cancelled, before its program began and after", async () => {
  const stack = await deployJob(database.db, "displaced", "retries: {limit: 1, delay: 0s}\n");
  const replaced = new WaybillError("RUN_REPLACED", "cancelled to make room for run next");
  const fake = makeFakeExecutor();
  let isBegun = false;
  const executor: FakeExecutor = {
    ...fake,
    start: async (order, options) => {
      if (!isBegun) throw replaced;
      return { ...(await fake.start(order, options)), ended: () => Promise.reject(replaced) };
    },
  };
  await withRoom(async (world) => {
    const pending = await becomes(world, await start(world, stack), "Cancelled");
    isBegun = true;
    const running = await becomes(world, await start(world, stack), "Cancelled");
    const statesOf = ({ history }: Run) => history.map(({ state }) => state);
    assert.deepEqual(statesOf(pending), ["Scheduled", "Pending", "Cancelling", "Cancelled"]);
    assert.deepEqual(statesOf(running), ["Scheduled", "Pending", "Running", "Cancelling", "Cancelled"]);
    assert.equal(running.status.reason, "cancelled to make room for run next");
  }, executor);
});

test("a failure is tried again after its delay, and a timeout ends the program", async () => {
  const retried = await deployJob(database.db, "retried", "retries: {limit: 1, delay: 0s}\n");
  const slow = await deployJob(database.db, "slow", "timeout: 1s\n");
  await withRoom(async (world) => {
    const run = await start(world, retried);
    const timed = await start(world, slow);
    await becomes(world, run, "Running");
    world.executor.end(run.id, 1);
    while (world.executor.starts.filter((key) => key.startsWith(run.id)).length < 2) await sleep(10);
    world.executor.end(run.id, 0);
    const ended = await becomes(world, run, "Completed");
    assert.deepEqual([ended.attempt, ended.retries], [2, 1]);
    const over = await becomes(world, timed, "TimedOut");
    assert.equal(over.status.reason, "took longer than its timeout of 1 s, and was ended");
  });
});

test("what waits when its job is removed is cancelled", async () => {
  const stack = await deployJob(database.db, "gone", "concurrency: {limit: 1}\n");
  await withRoom(async (world) => {
    const running = await start(world, stack);
    const waiting = await start(world, stack);
    await database.db.deleteFrom("deployments").where("name", "=", "gone").execute();
    world.room.deploymentChanged(stack);
    const { status } = await becomes(world, waiting, "Cancelled");
    assert.equal(status.reason, "its job was removed before it started");
    world.executor.end(running.id, 0);
    await becomes(world, running, "Completed");
  });
});

/** What may happen between two looks: `restart` leaves programs running and drops all that is in memory. */
const act = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: "start" } as const) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("end" as const), which: fc.nat(), status: fc.constantFrom(0, 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" } as const) },
);

test("whatever happens, slots are held by live runs alone, and none is lost", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(act, { maxLength: 25 }), async (limit, acts) => {
      round += 1;
      const name = `model-${round}`;
      const stack = await deployJob(database.db, name, `concurrency: {limit: ${limit}}\nretries: {limit: 1}\n`);
      const executor = makeFakeExecutor();
      let room = makeTestRoom({ db: database.db, executor });
      await room.begin();
      const all = (): Promise<readonly { run: Run }[]> => room.runs.runs({ job: name }, { limit: 100 });
      try {
        for (const step of acts) {
          if (step.kind === "start") await start({ room, executor }, stack);
          if (step.kind === "end")
            executor.end(executor.running()[step.which % Math.max(1, executor.running().length)] ?? "", step.status);
          if (step.kind === "cancel") {
            const open = (await all()).filter(({ run }) => !isEnded(run.status.state));
            const chosen = open[step.which % Math.max(1, open.length)];
            if (chosen) await room.runs.cancel(chosen.run.id, anna).catch(() => undefined);
          }
          if (step.kind === "restart") {
            await room.close();
            room = makeTestRoom({ db: database.db, executor });
            await room.begin();
          }
          assert.ok(executor.running().length <= limit, `${executor.running().length} of ${limit} slots`);
        }
        await drain(room, executor, all);
        for (const { run } of await all()) {
          for (const [index, { state }] of run.history.entries()) {
            const next = run.history[index + 1]?.state ?? state;
            assert.ok(next === state || mayStep(state, next), `${state} to ${next}`);
          }
        }
        assert.equal(new Set(executor.starts).size, executor.starts.length, "no attempt was started twice");
      } finally {
        await room.close();
      }
    }),
    { numRuns: 15 },
  );
});

async function drain(
  room: RunsRoom,
  executor: FakeExecutor,
  all: () => Promise<readonly { run: Run }[]>,
): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const open = (await all()).filter(({ run }) => !isEnded(run.status.state));
    if (open.length === 0) return;
    for (const run of executor.running()) executor.end(run, 0);
    await sleep(5);
  }
  const left = (await all()).filter(({ run }) => !isEnded(run.status.state));
  assert.fail(`left: ${left.map(({ run }) => `${run.id} ${run.status.state} ${isLive(run.status.state)}`).join(", ")}`);
}

test("jobs that share a limit take turns in the order in which they came", async () => {
  const shared = "concurrency: {shared: {database: 1}}\n";
  const [load, report] = [await deployJob(database.db, "load", shared), await deployJob(database.db, "report", shared)];
  await withRoom(async (world) => {
    const first = await start(world, load);
    const second = await start(world, report);
    const third = await start(world, load);
    await becomes(world, first, "Running");
    const { waitingFor } = await world.room.runs.run(second.id);
    assert.equal(waitingFor, `a slot of limit database: 1 of 1 is held by run ${first.id}`);
    world.executor.end(first.id, 0);
    await becomes(world, second, "Running");
    assert.equal(await stateOf(world, third), "AwaitingConcurrencySlot");
    world.executor.end(second.id, 0);
    await becomes(world, third, "Running");
    world.executor.end(third.id, 0);
    await becomes(world, third, "Completed");
  });
});
