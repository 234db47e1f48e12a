import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { StackName } from "../src/core/stack.ts";
import type { RunsRoom } from "../src/runs/room.ts";
import type { Run } from "../src/runs/run.ts";
import { testDatabase } from "./support/postgres.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom, type FakeExecutor } from "./support/runs-world.ts";
import { makeSetClock, type SetClock } from "./support/set-clock.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

const minute = 60_000;
const hour = 60 * minute;

interface World {
  readonly clock: SetClock;
  readonly executor: FakeExecutor;
  room(): RunsRoom;
  restart(): Promise<void>;
  runs(job: string): Promise<readonly Run[]>;
  start(stack: StackName, at?: Date): Promise<Run>;
  stateOf(run: Run): Promise<string>;
}

async function withWorld(start: string, act: (world: World) => Promise<void>): Promise<void> {
  const clock = makeSetClock(start);
  const executor = makeFakeExecutor(clock);
  const open = async (): Promise<RunsRoom> => {
    const room = makeTestRoom({ db: database.db, executor, clock, many: 1 });
    await room.begin();
    return room;
  };
  let room = await open();
  try {
    await act({
      clock,
      executor,
      room: () => room,
      async restart() {
        await room.close();
        room = await open();
      },
      runs: async (job) => (await room.runs.runs({ job }, { limit: 1_000 })).map(({ run }) => run),
      start: (stack, at) =>
        room.runs.start({ stack, parameters: {}, name: "", at: at ?? null, callback: null, actor: anna }),
      stateOf: async ({ id }) => (await room.runs.run(id)).run.status.state,
    });
    for (const run of executor.running()) executor.end(run, 0);
    await clock.pass(1_000);
  } finally {
    await room.close();
    await database.db.deleteFrom("deployments").execute();
  }
}

const policies = ["skip", "latest", "all"] as const;

/** A job for each policy, each due at every quarter of an hour. */
async function deployQuarters(world: World, prefix: string): Promise<readonly string[]> {
  const names = policies.map((policy) => `${prefix}-${policy}`);
  for (const [index, name] of names.entries()) {
    const schedule = `{name: quarter, interval: PT15M, catchUp: ${policies[index]}}`;
    world.room().deploymentChanged(await deployJob(database.db, name, `schedules: [${schedule}]\n`));
  }
  await world.clock.pass(1);
  return names;
}

/** `10:15` of each run, sorted. */
async function timesOf(world: World, job: string): Promise<readonly string[]> {
  const runs = await world.runs(job);
  return runs.map(({ origin }) => (origin.by === "schedule" ? origin.time.toISOString().slice(11, 16) : "")).toSorted();
}

const quarters = (from: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) =>
    new Date(Date.parse(`2026-03-02T${from}:00Z`) + index * 15 * minute).toISOString().slice(11, 16),
  );

test("a clock that is an hour ahead for a while: each time of a schedule becomes one run, by every policy", async () => {
  await withWorld("2026-03-02T10:05:00Z", async (world) => {
    const names = await deployQuarters(world, "ahead");
    await world.clock.pass(15 * minute);
    world.clock.set(hour);
    await world.clock.pass(minute);
    const early = await Promise.all(names.map((name) => timesOf(world, name)));
    assert.deepEqual(early, [["10:15"], ["10:15", "11:15"], quarters("10:15", 5)]);
    world.clock.set(-hour);
    await world.clock.pass(10 * minute);
    await world.restart();
    await world.clock.pass(90 * minute);
    for (const name of names) assert.deepEqual(await timesOf(world, name), quarters("10:15", 8), name);
  });
});

test("a clock that is set back by an hour: nothing of that hour starts again", async () => {
  await withWorld("2026-03-02T10:05:00Z", async (world) => {
    const names = await deployQuarters(world, "back");
    await world.clock.pass(75 * minute);
    world.clock.set(-hour);
    await world.clock.pass(30 * minute);
    for (const name of names) assert.deepEqual(await timesOf(world, name), quarters("10:15", 5), name);
    await world.restart();
    await world.clock.pass(45 * minute);
    for (const name of names) assert.deepEqual(await timesOf(world, name), quarters("10:15", 6), name);
  });
});

test("a schedule that was deployed while the clock was an hour ahead fires from the true time on", async () => {
  await withWorld("2026-03-02T11:05:00Z", async (world) => {
    const names = await deployQuarters(world, "fresh");
    world.clock.set(-hour);
    await world.clock.pass(minute);
    await world.restart();
    await world.clock.pass(90 * minute);
    for (const name of names) assert.deepEqual(await timesOf(world, name), quarters("10:15", 6), name);
  });
});

test("who waits for a slot goes on waiting for it alone, and in order, whatever the clock shows", async () => {
  const stack = await deployJob(database.db, "line", "concurrency: {limit: 1}\n");
  await withWorld("2026-03-02T10:00:00Z", async (world) => {
    const first = await world.start(stack);
    const second = await world.start(stack);
    const planned = await world.start(stack, new Date("2026-03-02T09:30:00Z"));
    world.clock.set(-hour);
    await world.clock.pass(minute);
    const third = await world.start(stack);
    const later = await world.start(stack, new Date("2026-03-02T09:45:00Z"));
    await world.clock.pass(minute);
    const order = [];
    for (let round = 0; round < 4; round += 1) {
      order.push(...world.executor.running());
      for (const run of world.executor.running()) world.executor.end(run, 0);
      await world.clock.pass(minute);
      if (round === 1) await world.restart();
    }
    assert.deepEqual(order, [first.id, planned.id, second.id, third.id]);
    assert.equal(await world.stateOf(later), "Scheduled");
    world.clock.set(hour);
    await world.clock.pass(minute);
    assert.equal(await world.stateOf(later), "Running");
    assert.deepEqual(world.executor.running(), [later.id]);
  });
});

test("a run that comes due behind others says that it waits", async () => {
  const stack = await deployJob(database.db, "behind", "concurrency: {limit: 1}\n");
  await withWorld("2026-03-02T10:00:00Z", async (world) => {
    await world.start(stack);
    for (let index = 0; index < 60; index += 1) await world.start(stack);
    const [soon, later] = [
      await world.start(stack, new Date("2026-03-02T10:10:00Z")),
      await world.start(stack, new Date("2026-03-02T10:20:00Z")),
    ];
    await world.clock.pass(11 * minute);
    assert.deepEqual([await world.stateOf(soon), await world.stateOf(later)], ["AwaitingConcurrencySlot", "Scheduled"]);
    await world.clock.pass(10 * minute);
    assert.equal(await world.stateOf(later), "AwaitingConcurrencySlot");
    for (const run of await world.runs("behind")) await world.room().runs.cancel(run.id, anna);
  });
});

test("a delay before another attempt is no longer than it was, and a timeout no shorter", async () => {
  const retried = await deployJob(database.db, "delayed", "retries: {limit: 3, delay: 5m}\n");
  const timed = await deployJob(database.db, "timed", "timeout: 10m\n");
  await withWorld("2026-03-02T10:00:00Z", async (world) => {
    const [run, slow] = [await world.start(retried), await world.start(timed)];
    await world.clock.pass(1);
    world.executor.end(run.id, 1);
    await world.clock.pass(minute);
    world.clock.set(-hour);
    await world.clock.pass(minute);
    const { status, dueAt } = (await world.room().runs.run(run.id)).run;
    assert.equal(status.state, "Retrying");
    assert.equal(status.waitingFor, `its next attempt at ${dueAt.toISOString()}`);
    assert.ok(dueAt.getTime() - world.clock.now().getTime() <= 5 * minute);
    world.clock.set(hour);
    world.clock.set(hour);
    await world.clock.pass(minute);
    assert.equal(await world.stateOf(run), "Running");
    assert.equal(await world.stateOf(slow), "Running");
    await world.clock.pass(8 * minute);
    assert.equal(await world.stateOf(slow), "TimedOut");
  });
});

test("what had ended in time while the server was away has not timed out", async () => {
  const stack = await deployJob(database.db, "in-time", "timeout: 10m\n");
  await withWorld("2026-03-02T10:00:00Z", async (world) => {
    const run = await world.start(stack);
    await world.clock.pass(minute);
    await world.room().close();
    world.executor.end(run.id, 0);
    world.clock.set(hour);
    await world.restart();
    await world.clock.pass(5_000);
    assert.equal(await world.stateOf(run), "Completed");
  });
});

const step = fc.oneof(
  fc.record({ kind: fc.constant("pass" as const), minutes: fc.integer({ min: 1, max: 25 }) }),
  fc.record({ kind: fc.constant("set" as const), minutes: fc.constantFrom(-60, 60) }),
  fc.record({ kind: fc.constant("restart" as const) }),
);

test("however the clock is set, and the server restarted: no time is lost, and none becomes two runs", async () => {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 8 }), async (steps) => {
      round += 1;
      const name = `random-${round}`;
      await withWorld("2026-03-02T08:05:00Z", async (world) => {
        const schedule = "{name: quarter, interval: PT15M, catchUp: all}";
        world.room().deploymentChanged(await deployJob(database.db, name, `schedules: [${schedule}]\n`));
        await world.clock.pass(1);
        let [first, last] = [world.clock.now(), world.clock.now()];
        for (const { kind, ...by } of steps) {
          if (kind === "restart") await world.restart();
          else if (kind === "set") world.clock.set(("minutes" in by ? by.minutes : 0) * minute);
          else await world.clock.pass(("minutes" in by ? by.minutes : 0) * minute);
          await world.clock.pass(16_000);
          const now = world.clock.now();
          if (now > last) last = now;
          // Set back before its deploy: that is where it begins then.
          if (now < first) first = now;
        }
        const times = await timesOf(world, name);
        assert.equal(new Set(times).size, times.length);
        const wanted = Math.floor((last.getTime() - Date.parse("2026-03-02T08:00:00Z")) / (15 * minute));
        assert.ok(times.length >= wanted, `${times.join(" ")}: ${times.length} of ${wanted}`);
      });
    }),
    { numRuns: 12 },
  );
});
