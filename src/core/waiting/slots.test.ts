import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSlots } from "./slots.ts";

test("as many run as there are slots, the next in line gets the first that is freed", async () => {
  const slots = makeSlots({ running: 2, waiting: { most: 2, refusal: () => new Error("come again") } });
  const order: string[] = [];
  const first = await slots.take();
  await slots.take();
  const third = slots.take().then((release) => {
    order.push("third");
    return release;
  });
  const fourth = slots.take().then(() => order.push("fourth"));
  await assert.rejects(slots.take(), /come again/);
  first();
  first();
  (await third)();
  await fourth;
  assert.deepEqual(order, ["third", "fourth"]);
});

test("a call that fails frees its slot", async () => {
  const slots = makeSlots({ running: 1 });
  await assert.rejects(
    slots.run(async () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await slots.run(async () => "yes"), "yes");
});
