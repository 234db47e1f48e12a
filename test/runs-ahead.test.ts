import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunsRoom } from "../src/runs/room.ts";
import type { Run } from "../src/runs/run.ts";
import type { RunStore } from "../src/runs/store.ts";
import { makeRunStore } from "../src/store/runs/run-store.ts";
import { testDatabase } from "./support/postgres.ts";
import { anna, deployJob, jobStack, makeFakeExecutor, makeTestRoom, type FakeExecutor } from "./support/runs-world.ts";
import { makeSetClock, type SetClock } from "./support/set-clock.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

const second = 1_000;
const minute = 60 * second;
const hourly = "schedules: [{name: tick, interval: PT1H}]\n";

interface World {
  readonly clock: SetClock;
  readonly executor: FakeExecutor;
  readonly room: RunsRoom;
  /** `JOB SCHEDULE 10:00 STATE` of each, sorted. */
  readonly runs: () => Promise<readonly string[]>;
  /** How many batches are written down. */
  readonly prepared: () => Promise<number>;
}

/** Up to 9:59:55: what is due at ten is written down. */
async function atFiveToTen(
  jobs: Readonly<Record<string, string>>,
  act: (world: World) => Promise<void>,
  wrap = (store: RunStore): RunStore => store,
): Promise<void> {
  const clock = makeSetClock("2026-03-02T09:30:00Z");
  const executor = makeFakeExecutor(clock);
  for (const [name, yaml] of Object.entries(jobs)) await deployJob(database.db, name, yaml);
  const store = clock.watch(wrap(makeRunStore(database.db)));
  const room = makeTestRoom({ db: database.db, executor, clock, store, many: 1 });
  const said = ({ stack, origin, status }: Run): string =>
    origin.by === "schedule"
      ? `${stack.deployment} ${origin.schedule} ${origin.time.toISOString().slice(11, 16)} ${status.state}`
      : `${stack.deployment} by hand`;
  try {
    await room.begin();
    await clock.pass(29 * minute + 55 * second);
    await act({
      clock,
      executor,
      room,
      runs: async () => (await room.runs.runs({}, { limit: 100 })).map(({ run }) => said(run)).toSorted(),
      prepared: async () => (await database.db.selectFrom("prepared_runs").select("id").execute()).length,
    });
  } finally {
    for (const run of executor.running()) executor.end(run, 0);
    await clock.pass(second);
    await room.close();
    for (const table of ["deployments", "runs", "prepared_runs", "schedule_marks", "schedule_pauses"] as const)
      await database.db.deleteFrom(table).execute();
  }
}

test("what is prepared is neither a run nor started before its time, and then is started once", async () => {
  await atFiveToTen({ one: hourly, two: hourly }, async (world) => {
    assert.deepEqual([await world.prepared(), await world.runs(), world.executor.starts], [1, [], []]);
    assert.equal(world.room.runs.upcoming(jobStack("one"))[0]?.at.toISOString(), "2026-03-02T10:00:00.000Z");
    await world.clock.pass(6 * second);
    assert.deepEqual(await world.runs(), ["one tick 10:00 Running", "two tick 10:00 Running"]);
    assert.deepEqual([await world.prepared(), world.executor.starts.length], [0, 2]);
    assert.equal(world.room.runs.upcoming(jobStack("one"))[0]?.at.toISOString(), "2026-03-02T11:00:00.000Z");
    const [{ run } = { run: null }] = await world.room.runs.runs({ job: "one" }, { limit: 1 });
    assert.deepEqual(
      run?.history.map(({ state }) => state),
      ["Scheduled", "Pending", "Running"],
    );
    assert.equal(run?.acceptedAt.toISOString(), "2026-03-02T10:00:00.000Z");
  });
});

const acceptingAfter =
  (mayAccept: Promise<void>) =>
  (store: RunStore): RunStore => ({
    ...store,
    acceptReleased: async (batch) => {
      await mayAccept;
      return store.acceptReleased(batch);
    },
  });

test("what was started is to come until it is accepted; whoever asks for it by its id waits for that", async () => {
  const { promise: mayAccept, resolve } = Promise.withResolvers<void>();
  await atFiveToTen(
    { one: hourly },
    async ({ room, clock, executor, runs }) => {
      const next = (): string | undefined => room.runs.upcoming(jobStack("one"))[0]?.at.toISOString().slice(11, 16);
      const passing = clock.pass(6 * second);
      while (executor.running().length === 0) await new Promise(setImmediate);
      const before = [await runs(), next()];
      const [id = ""] = executor.running();
      const asked = Promise.all([room.runs.run(id), room.runs.cancel(id, anna)]);
      asked.catch(() => undefined);
      resolve();
      await passing;
      assert.deepEqual(before, [[], "10:00"]);
      const [{ run }, cancelled] = await asked;
      assert.deepEqual([run.id, cancelled.status.state], [id, "Cancelling"]);
      assert.equal(next(), "11:00");
    },
    acceptingAfter(mayAccept),
  );
});

test("a program that ends before its run is accepted waits with its end", async () => {
  const { promise: mayAccept, resolve } = Promise.withResolvers<void>();
  await atFiveToTen(
    { one: hourly },
    async (world) => {
      const passing = world.clock.pass(6 * second);
      while (world.executor.running().length === 0) await new Promise(setImmediate);
      for (const run of world.executor.running()) world.executor.end(run, 0);
      assert.deepEqual(await world.runs(), []);
      resolve();
      await passing;
      assert.deepEqual(await world.runs(), ["one tick 10:00 Completed"]);
    },
    acceptingAfter(mayAccept),
  );
});

test("who is paused, removed or deployed anew between is taken out of what was prepared", async () => {
  const jobs = { kept: hourly, paused: hourly, held: hourly, removed: hourly, moved: hourly, changed: hourly };
  await atFiveToTen(jobs, async ({ room, clock, runs, prepared, executor }) => {
    await room.runs.pauseSchedule({ stack: jobStack("paused"), schedule: "tick", actor: anna, reason: "" });
    room.deploymentChanged(await deployJob(database.db, "held", `state: paused\n${hourly}`));
    await database.db.deleteFrom("deployments").where("name", "=", "removed").execute();
    room.deploymentChanged(jobStack("removed"));
    room.deploymentChanged(await deployJob(database.db, "moved", "schedules: [{name: tick, cron: 5 * * * *}]\n"));
    room.deploymentChanged(await deployJob(database.db, "changed", `command: ./anew\n${hourly}`));
    await clock.pass(6 * second);
    assert.deepEqual(await runs(), ["changed tick 10:00 Running", "kept tick 10:00 Running"]);
    assert.equal(executor.starts.length, 2);
    const [{ run } = { run: null }] = await room.runs.runs({ job: "changed" }, { limit: 1 });
    const revision = run && (await makeRunStore(database.db).revision(run.id));
    assert.equal(revision?.workload.spec.command, "./anew");
    assert.equal(await prepared(), 0);
  });
});

test("whether there is room is seen at the time, as ever", async () => {
  const twice = "schedules: [{name: a, interval: PT1H}, {name: b, interval: PT1H}]\n";
  const jobs = {
    queue: `${twice}concurrency: {limit: 1}\n`,
    skip: `${hourly}concurrency: {limit: 1, whenFull: skip}\n`,
    newest: `${hourly}concurrency: {limit: 1, whenFull: cancel-running}\n`,
  };
  await atFiveToTen(jobs, async ({ room, clock, runs }) => {
    for (const name of ["skip", "newest"])
      await room.runs.start({
        stack: jobStack(name),
        parameters: {},
        name: "",
        at: null,
        callback: null,
        actor: anna,
      });
    await clock.pass(6 * second);
    assert.deepEqual(await runs(), [
      "newest by hand",
      "newest tick 10:00 Running",
      "queue a 10:00 Running",
      "queue b 10:00 AwaitingConcurrencySlot",
      "skip by hand",
      "skip tick 10:00 Cancelled",
    ]);
  });
});

test("a clock that is set, either way, lets each time start once", async () => {
  for (const hours of [1, -1]) {
    await atFiveToTen({ one: hourly }, async ({ clock, runs, executor }) => {
      clock.set(hours * 60 * minute);
      await clock.pass(20 * second);
      clock.set(-hours * 60 * minute);
      await clock.pass(61 * minute);
      const times = (await runs()).map((run) => run.split(" ")[2]);
      assert.deepEqual(times, ["10:00", "11:00"]);
      assert.equal(executor.starts.length, times.length);
    });
  }
});

test("what cannot be released is accepted like any other", async () => {
  let failures = 0;
  const wrap = (store: RunStore): RunStore => ({
    ...store,
    async release(releases, at) {
      await store.release(releases, at);
      failures += 1;
      throw new Error("the connection broke");
    },
  });
  await atFiveToTen(
    { one: hourly },
    async ({ clock, runs, prepared, executor }) => {
      await clock.pass(30 * second);
      assert.deepEqual(await runs(), ["one tick 10:00 Running"]);
      assert.deepEqual([failures, executor.starts.length, await prepared()], [1, 1, 0]);
    },
    wrap,
  );
});
