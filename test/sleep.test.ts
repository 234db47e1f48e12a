import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deploy, localWorld, startsOf, statusOf, untilState, type TargetWorld } from "./support/target-world.ts";

const sleepy = "replicas: {min: 0, idleAfter: 1s}\n";
let world: TargetWorld;

before(async () => {
  world = await localWorld();
});
after(() => world.close());

test("what nobody asks for falls asleep, says so, and wakes on a request that waits", async () => {
  const said = await deploy(world, "web", { text: "one", more: sleepy });
  assert.doesNotMatch(said, /sleep/);
  await untilState(world, "web", "sleeping");
  assert.match((await statusOf(world, "web")).reason, /^asleep since \d{4}-.*Z; wakes on a request$/);
  assert.equal(await world.running("web"), 0);
  const startedMs = performance.now();
  const answer = await world.served.get("web");
  assert.deepEqual([answer.status, answer.body], [200, "one"]);
  console.log(`woken in ${Math.round(performance.now() - startedMs)} ms`);
  assert.equal(await world.running("web"), 1);
  await untilState(world, "web", "sleeping");
});

test("a thousand requests at once make one start, and each is answered", async () => {
  await untilState(world, "web", "sleeping");
  const before = await startsOf(world, "web");
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => world.served.get("web")));
  assert.deepEqual(
    answers.filter(({ status, body }) => status !== 200 || body !== "one").map(({ status, body }) => [status, body]),
    [],
  );
  assert.equal((await startsOf(world, "web")) - before, 1);
  assert.equal(
    new Set((await Promise.all([1, 2].map(() => world.served.get("web", "/pid")))).map(({ body }) => body)).size,
    1,
  );
});
