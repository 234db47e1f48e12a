import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { readStates } from "../../src/gateway/control/state-file.ts";
import { until } from "../support/served.ts";
import { deploy, startsOf, statusOf, untilState, type TargetWorld } from "../support/target-world.ts";

const sleepy = "replicas: {min: 0, idleAfter: 1s}\n";
const drowsy = "replicas: {min: 0, idleAfter: 30s}\n";
const lazy = "replicas: {min: 0, idleAfter: 1h}\n";

/** Sleep and wake as every target does it. */
export function sleepBehaviours(open: () => Promise<TargetWorld>): void {
  let world: TargetWorld;
  before(async () => {
    world = await open();
  });
  after(() => world?.close());

  const answer = async (): Promise<string> => {
    const { status, body } = await world.served.get("web");
    return `${status} ${body}`;
  };
  const untilAsleep = async (): Promise<void> => {
    await untilState(world, "web", "sleeping");
    await until("nothing runs", async () => (await world.running("web")) === 0, 60_000);
  };

  test("what nobody asks for falls asleep, says so, and wakes on a request that waits", async () => {
    const said = await deploy(world, "web", { text: "one", more: sleepy });
    assert.doesNotMatch(said, /sleep/);
    await untilAsleep();
    assert.match((await statusOf(world, "web")).reason, /^asleep since \d{4}-.*Z; wakes on a request$/);
    assert.equal(await answer(), "200 one");
    assert.equal(await world.running("web"), 1);
  });

  test("a thousand requests at once make one start, and each is answered", async () => {
    await untilAsleep();
    // On a busy machine the last of them may ask seconds after the first was answered.
    await deploy(world, "web", { text: "one", more: drowsy });
    assert.equal(await world.running("web"), 0);
    // Logs of pods go with them, once those have ended.
    if (!world.keepsLogs) await until("no log is left", async () => (await startsOf(world, "web")) === 0, 60_000);
    const startsBefore = await startsOf(world, "web");
    const answers = await Promise.all(Array.from({ length: 1_000 }, answer));
    assert.deepEqual(
      answers.filter((one) => one !== "200 one"),
      [],
    );
    assert.equal(await world.running("web"), 1);
    assert.equal((await startsOf(world, "web")) - startsBefore, 1);
    await deploy(world, "web", { text: "one", more: sleepy });
  });

  test("unchanged content restarts nothing; another access rule is in force and wakes nobody", async () => {
    await untilAsleep();
    await world.shop.push({ "README.md": "words" });
    const guarded = { text: "one", more: `${sleepy}description: changed\n` };
    await deploy(world, "web", guarded);
    assert.equal(await world.running("web"), 0);
    assert.equal((await statusOf(world, "web")).state, "sleeping");
    assert.equal(await answer(), "200 one");
  });

  test("a new revision answers before it takes the place of one that sleeps", async () => {
    await untilAsleep();
    const said = await deploy(world, "web", { text: "two", more: sleepy });
    assert.match(said, /web +ready/);
    assert.equal(await answer(), "200 two");
    await untilAsleep();
    assert.equal(await answer(), "200 two");
  });

  test("a rollback while asleep starts what it returns to", async () => {
    await untilAsleep();
    const back = Number((await statusOf(world, "web")).snapshot.split("/").at(-1)) - 1;
    await world.served.json(["rollback", "production", "--to", String(back)], { cwd: world.shop.path });
    await until("the earlier one", async () => (await answer()) === "200 one", 60_000);
    await world.served.json(["release", "production"], { cwd: world.shop.path });
    await deploy(world, "web", { text: "two again", more: sleepy });
    assert.equal(await answer(), "200 two again");
  });

  test("a pause while asleep wins: no request wakes it; resumed, it runs", async () => {
    const before = await answer();
    await untilAsleep();
    await world.served.json(["pause", "web"], { cwd: world.shop.path });
    await untilState(world, "web", "paused");
    await until("it says so", async () => /^503 .*paused by/.test(await answer()), 60_000);
    await until("nothing runs", async () => (await world.running("web")) === 0, 60_000);
    await world.served.json(["resume", "web"], { cwd: world.shop.path });
    await until("it answers again", async () => (await answer()) === before, 60_000);
  });

  test("what may not sleep any more is woken", async () => {
    await untilAsleep();
    await deploy(world, "web", { text: "two", more: "replicas: 1\n" });
    await untilState(world, "web", "ready");
    await until("it runs", async () => (await world.running("web")) === 1, 60_000);
    await deploy(world, "web", { text: "two", more: lazy });
    assert.equal(await answer(), "200 two");
    await deploy(world, "web", { text: "two", more: sleepy });
  });

  test("asleep it stays over kill -9 of the server; who asks meanwhile is answered when it is back", async () => {
    await untilAsleep();
    await killServer(world);
    const asking = answer();
    await world.start();
    assert.equal(await asking, "200 two");
    await untilAsleep();
    await killServer(world);
    await world.start();
    assert.equal((await statusOf(world, "web")).state, "sleeping");
    assert.equal(await world.running("web"), 0);
    assert.equal(await answer(), "200 two");
  });

  test(
    "killed at any moment of falling asleep and waking, both end in one that answers",
    { timeout: 240_000 },
    async () => {
      for (let round = 0; round < 4; round += 1) {
        await untilAsleep();
        const asking = answer();
        await new Promise((resolve) => setTimeout(resolve, round * 60));
        await killServer(world);
        await world.start();
        assert.equal(await asking, "200 two", `round ${round}`);
        await killGateway(world);
        await until("the gateway is back", async () => (await answer().catch(() => "")) === "200 two", 60_000);
        await until("one runs", async () => (await world.running("web")) === 1, 60_000);
      }
    },
  );
}

async function killServer({ served }: TargetWorld): Promise<void> {
  const { child } = served.server();
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function killGateway({ served }: TargetWorld): Promise<void> {
  for (const { pid } of readStates(served.data)) process.kill(pid, "SIGKILL");
}
