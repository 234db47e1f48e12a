import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "../../test/support/runs-world.ts";
import { until } from "../../test/support/until.ts";
import { makeSetClock } from "../../test/support/set-clock.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

const hour = 60 * 60_000;
const day = 24 * hour;

async function makeWorld(name: string, history: string) {
  const clock = makeSetClock("2026-03-02T10:00:00Z");
  const executor = makeFakeExecutor(clock);
  const stack = await deployJob(database.db, name, `history: ${history}\n`);
  const room = makeTestRoom({ db: database.db, executor, clock });
  await room.begin();
  return {
    clock,
    executor,
    room,
    async run(exitStatus: number | null): Promise<string> {
      const asked = { stack, parameters: {}, name: "", at: null, callback: null, actor: anna };
      const { id } = await room.runs.start(asked);
      await clock.pass(0);
      executor.end(id, exitStatus);
      await clock.pass(0);
      return id;
    },
    kept: async () => (await room.runs.runs({ job: name }, { limit: 100 })).map(({ run }) => run.id),
  };
}

type World = Awaited<ReturnType<typeof makeWorld>>;

async function comesTo(world: World, kept: readonly string[]): Promise<void> {
  await until("the others are removed", async () => (await world.kept()).length <= kept.length);
  assert.deepEqual(await world.kept(), kept);
}

test("of each sort of end the newest are kept, and of the others nothing, files included", async () => {
  const world = await makeWorld("sorts", "{completed: 2, failed: 1}");
  const [first, second, third] = [await world.run(0), await world.run(0), await world.run(0)];
  const [failed, crashed] = [await world.run(1), await world.run(null)];
  await comesTo(world, [crashed, third, second]);
  assert.deepEqual(world.executor.forgotten.toSorted(), [first, failed].toSorted());
  await world.room.close();
});

test("what ended longer ago than its file says is removed without anything else ending", async () => {
  const world = await makeWorld("ages", "{maxAge: 3d}");
  const old = await world.run(0);
  world.clock.set(2 * day);
  await world.clock.pass(hour);
  const young = await world.run(1);
  await comesTo(world, [young, old]);
  world.clock.set(day);
  await world.clock.pass(hour);
  await comesTo(world, [young]);
  assert.deepEqual(world.executor.forgotten, [old]);
  await world.room.close();
});
