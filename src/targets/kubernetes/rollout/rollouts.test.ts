import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { workloadOf } from "../../../../test/support/workloads.ts";
import { makeGpuCluster, makeMemoryBook, openRollouts, workload } from "../../../../test/support/rollout-world.ts";
import type { Progress } from "../../../release/deployer.ts";

test("who waited before a restart is before who comes after it, until it has its turn", async () => {
  const [fake, book] = [makeGpuCluster(), makeMemoryBook()];
  const [busy, first, second] = [workload("busy", 2, "b1"), workload("a", 2, "a1"), workload("b", 1, "b1")];
  {
    await using world = await openRollouts(fake, book);
    await world.run(busy);
    await assert.rejects(world.begin(first), { code: "ROLLOUT_WAITING" });
  }
  {
    await using world = await openRollouts(fake, book);
    world.stop(busy);
    await sleep(20);
    await assert.rejects(world.begin(second), /behind shop\/production\/a, which waits since .* for 2 GPUs/);
    const turn = await world.begin(first);
    await world.run(first);
    turn.end({ kind: "runs" });
    world.stop(first);
    await sleep(20);
    (await world.begin(second)).end({ kind: "runs" });
  }
  assert.deepEqual(await book.list(), []);
});

test("of two that want the last GPU at one moment, one gets it and the other waits for it", async () => {
  await using world = await openRollouts();
  await world.run(workload("old", 1, "o1"));
  const [a, b] = [workload("a", 1, "a1"), workload("b", 1, "b1")];
  const begun = await Promise.allSettled([world.begin(a), world.begin(b)]);
  assert.deepEqual(begun.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  const reason: unknown = begun[1].status === "rejected" ? begun[1].reason : null;
  assert.ok(reason instanceof Error);
  assert.match(
    reason.message,
    /^no node has a free GPU \(2 of 2 in use by shop\/production\/a, shop\/production\/old\)/,
  );
  const changed = world.rollouts.changed(b.stack, world.signal);
  const running = world.run(a);
  if (begun[0].status === "fulfilled") begun[0].value.end({ kind: "runs" });
  await running;
  world.stop(workload("old", 1, "o1"));
  await changed;
  await world.begin(b);
});

test("the old revision makes room, and comes back when the new one fails", async () => {
  await using world = await openRollouts();
  const [old, next] = [workload("a", 2, "a1"), workload("a", 2, "a2")];
  await world.run(old);
  assert.match(world.rollouts.notices(next).join(), /^there is no room for both revisions: no node has 2 free GPUs/);
  const turn = await world.begin(next, old);
  assert.deepEqual(world.pods(), []);
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await world.run(next);
  assert.deepEqual(world.pods(), ["a-a2"]);
  assert.deepEqual(world.parked, ["a 30"]);
  await world.rollouts.giveBack(old.stack, old, world.signal);
  turn.end({ kind: "failed", reason: "exited with 3", isOutage: true });
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.deepEqual(world.parked, ["a 30", "a null"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
  await assert.rejects(world.begin(next, old), /the new one is tried again in 1 min. It failed: exited with 3/);
  (await world.begin(workload("a", 2, "a3"), old)).end({ kind: "runs" });
});

test("what sleeps wakes where there is room, and else waits in line with the reason", async () => {
  await using world = await openRollouts();
  const [busy, sleeper] = [workload("busy", 2, "b1"), workload("a", 1, "a1")];
  const reasons: string[] = [];
  const onWait = async (reason: string): Promise<void> => void reasons.push(reason);
  await world.run(busy);
  const late = AbortSignal.timeout(50);
  await assert.rejects(world.rollouts.wake(sleeper, { signal: late, onWait }), { name: "TimeoutError" });
  assert.deepEqual(reasons, ["no node has a free GPU (2 of 2 in use by shop/production/busy)"]);
  // Its place is kept: who comes later and lacks the same stands behind it.
  const next = workload("next", 2, "n1");
  world.stop(busy);
  await sleep(20);
  await assert.rejects(world.begin(next), /behind shop\/production\/a, which waits since/);
  const turn = await world.rollouts.wake(sleeper, { signal: world.signal, onWait });
  await world.run(sleeper);
  turn.end({ kind: "runs" });
  await assert.rejects(world.rollouts.wake(workload("huge", 3, "h1"), { signal: world.signal, onWait }), {
    code: "ROLLOUT_IMPOSSIBLE",
  });
});

test("who was cancelled while the old revision was away is followed by one that knows it", async () => {
  await using world = await openRollouts();
  const old = workload("a", 2, "a1");
  await world.run(old);
  (await world.begin(workload("a", 2, "a2"), old)).end({ kind: "cancelled" });
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await assert.rejects(world.begin(workload("a", 3, "a3"), old), { code: "ROLLOUT_IMPOSSIBLE" });
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await world.rollouts.giveBack(old.stack, old, world.signal);
  assert.deepEqual(world.pods(), ["a-a1"]);
});

test("an old revision that could not be stopped runs on", async () => {
  await using world = await openRollouts();
  const old = workload("a", 2, "a1");
  await world.run(old);
  world.state.isAway = true;
  await assert.rejects(world.begin(workload("a", 2, "a2"), old), /the API server is away/);
  world.state.isAway = false;
  await world.rollouts.giveBack(old.stack, old, world.signal);
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
});

test("what failed before gives way to the next, before what serves does", async () => {
  await using world = await openRollouts();
  const [old, failed] = [workload("a", 1, "a1"), workload("a", 1, "a2")];
  await world.run(old);
  await world.run(failed);
  const turn = await world.begin(workload("a", 1, "a3"), old);
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
  turn.end({ kind: "runs" });
});

test("what is to rest needs no room", async () => {
  await using world = await openRollouts();
  await world.run(workload("b", 2, "b1"));
  const wanted = workload("a", 1, "a1");
  await assert.rejects(world.begin(wanted), { code: "ROLLOUT_WAITING" });
  const site = workloadOf("kind: site\nname: a\n");
  (await world.begin(site)).end({ kind: "runs" });
  assert.deepEqual(world.rollouts.notices(site), []);
});

test("pods that stop are waited for, and what they held is taken", async () => {
  await using world = await openRollouts();
  const [old, next] = [workload("a", 2, "a1"), workload("a", 2, "a2")];
  await world.run(old);
  world.leave(old);
  await sleep(20);
  const said: string[] = [];
  const options = { signal: world.signal, onProgress: ({ message }: Progress) => void said.push(message) };
  const begun = world.rollouts.begin(next, options);
  await sleep(50);
  assert.deepEqual(said, ["pods that hold what it wants are stopping"]);
  world.stop(old);
  (await begun).end({ kind: "runs" });
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
});
