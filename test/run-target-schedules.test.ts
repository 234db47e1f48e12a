import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { StackName } from "../src/core/stack.ts";
import type { RunsRoom } from "../src/runs/room.ts";
import { makeSchedules } from "../src/runs/schedules/times.ts";
import type { Fired, TargetSchedules } from "../src/targets/target.ts";
import type { RunOrder } from "../src/targets/run-executor.ts";
import { testDatabase } from "./support/postgres.ts";
import {
  anna,
  deployJobAs,
  jobStack,
  makeFakeExecutor,
  makeTestRoom,
  type FakeExecutor,
} from "./support/runs-world.ts";
import { scheduleOf } from "./support/schedules.ts";
import { makeSetClock, type SetClock } from "./support/set-clock.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

const minute = 60_000;
const schedules = makeSchedules();
const everyMinute = scheduleOf({ name: "minute", cron: "* * * * *" });

interface FakeCluster extends TargetSchedules {
  /** An apply: there is a CronJob, or none. What it has fired stays. */
  apply(isMade: boolean): void;
  /** Its controller looks: of the times since it last fired, the latest is due. */
  look(): Promise<void>;
  /** It does not answer. */
  isAway: boolean;
  isSuspended(): boolean;
}

/** One CronJob, as https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ says what it does. */
function makeFakeCluster(stack: StackName, clock: SetClock, executor: FakeExecutor): FakeCluster {
  let cronJob: { suspended: boolean; last: Date } | null = null;
  const jobs = new Map<string, Fired>();
  const listeners = new Set<(fired: Fired) => void>();
  const answer = (): void => {
    if (cluster.isAway) throw new Error("the cluster does not answer");
  };
  const cluster: FakeCluster = {
    isAway: false,
    isSuspended: () => cronJob?.suspended ?? true,
    apply(isMade) {
      cronJob = isMade ? (cronJob ?? { suspended: true, last: clock.now() }) : null;
    },
    async look() {
      const time = cronJob && schedules.upcoming(everyMinute, cronJob.last, 1_000).findLast((at) => at <= clock.now());
      if (!cronJob || cronJob.suspended || !time) return;
      cronJob.last = time;
      const id = `${stack.deployment}-minute-${time.getTime() / minute}`;
      // Its name is taken: it was fired before.
      if (jobs.has(id)) return;
      const signal = new AbortController().signal;
      await executor.start({ run: id, attempt: 1 } as RunOrder, { signal } as never);
      executor.end(id, 0);
      const fired = { id, stack, schedule: "minute", time };
      jobs.set(id, fired);
      if (!cluster.isAway) for (const listener of listeners) listener(fired);
    },
    namesOf: ({ cronJobs }) => new Set(cronJobs ? ["minute"] : []),
    async fired() {
      answer();
      return [...jobs.values()];
    },
    onFired(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async set(_workload, _schedule, from) {
      answer();
      if (!cronJob || cronJob.suspended === (from === null)) return;
      if (from && from > cronJob.last) cronJob.last = from;
      cronJob.suspended = from === null;
    },
  };
  return cluster;
}

interface World {
  readonly cluster: FakeCluster;
  /** Minutes pass; the server is there or not. */
  pass(minutes: number): Promise<void>;
  deploy(by: "cluster" | "server"): Promise<void>;
  pause(isPaused: boolean): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
  times(): Promise<readonly string[]>;
  /** How many programs were started. */
  starts(): number;
}

let worlds = 0;

async function withWorld(act: (world: World) => Promise<void>): Promise<void> {
  const stack = jobStack(`job-${worlds++}`);
  const clock = makeSetClock("2026-03-02T10:00:30Z");
  const executor = makeFakeExecutor(clock);
  const cluster = makeFakeCluster(stack, clock, executor);
  let room: RunsRoom | null = null;
  const open = async (): Promise<void> => {
    room = makeTestRoom({ db: database.db, executor, clock, targetSchedules: cluster });
    await room.begin();
  };
  const yaml = 'schedules: [{name: minute, cron: "* * * * *"}]\n';
  await open();
  try {
    await act({
      cluster,
      async pass(minutes) {
        for (let passed = 0; passed < minutes; passed += 1) {
          await clock.pass(minute);
          for (const run of executor.running()) executor.end(run, 0);
          await cluster.look();
          await clock.pass(1);
        }
      },
      async deploy(by) {
        cluster.apply(by === "cluster");
        await deployJobAs(database.db, stack, { yaml, ...(by === "cluster" && { cronJobs: true }) });
        room?.deploymentChanged(stack);
        await clock.pass(1);
      },
      async pause(isPaused) {
        const request = { stack, schedule: "minute", actor: anna, reason: "" };
        await (isPaused ? room?.runs.pauseSchedule(request) : room?.runs.resumeSchedule(request));
        await clock.pass(1);
      },
      async stop() {
        await room?.close();
        room = null;
      },
      async start() {
        if (!room) await open();
        await clock.pass(1);
      },
      async times() {
        const runs = (await room?.runs.runs({ job: stack.deployment }, { limit: 1_000 })) ?? [];
        return runs
          .map(({ run: { origin } }) => (origin.by === "schedule" ? origin.time.toISOString().slice(11, 16) : ""))
          .toSorted();
      },
      starts: () => executor.starts.length,
    });
  } finally {
    await (room as RunsRoom | null)?.close();
    await database.db.deleteFrom("deployments").execute();
    await database.db.deleteFrom("schedule_pauses").execute();
  }
}

const minutesFrom = (from: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) =>
    new Date(Date.parse(`2026-03-02T${from}:00Z`) + index * minute).toISOString().slice(11, 16),
  );

test("from the server to the cluster and back, each time is run once", async () => {
  await withWorld(async (world) => {
    await world.deploy("server");
    await world.pass(2);
    await world.deploy("cluster");
    await world.pass(2);
    await world.deploy("server");
    await world.pass(2);
    assert.deepEqual(await world.times(), minutesFrom("10:01", 6));
    assert.equal(world.starts(), 6);
  });
});

test("what the server was to fire when it stopped, the cluster fires when it takes over, and the other way round", async () => {
  await withWorld(async (world) => {
    await world.deploy("server");
    await world.pass(1);
    await world.stop();
    await world.pass(3);
    await world.deploy("cluster");
    await world.start();
    await world.pass(1);
    // By `catchUp: latest`.
    assert.deepEqual(await world.times(), ["10:01", "10:05"]);
    await world.stop();
    await world.pass(2);
    await world.deploy("server");
    await world.start();
    assert.deepEqual(await world.times(), ["10:01", "10:05", "10:06", "10:07"]);
    await world.pass(1);
    assert.deepEqual(await world.times(), ["10:01", "10:05", "10:06", "10:07", "10:08"]);
    assert.equal(world.starts(), 5);
  });
});

test("a pause suspends at once and is made up for by nobody, whoever fires", async () => {
  await withWorld(async (world) => {
    await world.deploy("cluster");
    await world.pass(1);
    await world.pause(true);
    assert.ok(world.cluster.isSuspended());
    await world.pass(2);
    await world.deploy("server");
    await world.deploy("cluster");
    await world.pass(1);
    await world.pause(false);
    await world.pass(1);
    assert.deepEqual(await world.times(), ["10:01", "10:05"]);
  });
});

test("a cluster that does not answer is told when it does", async () => {
  await withWorld(async (world) => {
    await world.deploy("cluster");
    world.cluster.isAway = true;
    await world.pause(true);
    assert.ok(!world.cluster.isSuspended());
    world.cluster.isAway = false;
    await world.pass(2);
    assert.ok(world.cluster.isSuspended());
  });
});

type Act = readonly ["pass", number] | readonly ["deploy", "cluster" | "server"] | readonly ["restart", number];

test("whatever comes after what, no time is run twice, and the newest is never left out", async () => {
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.tuple(fc.constant("pass" as const), fc.integer({ min: 1, max: 3 })),
    fc.tuple(fc.constant("deploy" as const), fc.constantFrom("cluster" as const, "server" as const)),
    fc.tuple(fc.constant("restart" as const), fc.integer({ min: 0, max: 3 })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 2, maxLength: 8 }), async (acts) => {
      await withWorld(async (world) => {
        await world.deploy("server");
        for (const [what, how] of acts) {
          if (what === "deploy") await world.deploy(how);
          else if (what === "pass") await world.pass(how);
          else {
            await world.stop();
            await world.pass(how);
            await world.start();
          }
        }
        await world.pass(2);
        const times = await world.times();
        assert.equal(new Set(times).size, times.length);
        assert.equal(world.starts(), times.length, `${times.join(" ")} by ${JSON.stringify(acts)}`);
        const passed = acts.reduce((sum, [what, how]) => (what === "deploy" ? sum : sum + how), 2);
        assert.equal(times.at(-1), minutesFrom("10:01", passed).at(-1));
      });
    }),
    { numRuns: 12 },
  );
});
