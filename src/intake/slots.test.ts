import assert from "node:assert/strict";
import { test } from "node:test";
import { makeSlots } from "./slots.ts";

test("as many run as there are slots, the next in line gets the first that is freed", async () => {
  const slots = makeSlots(2, 2);
  const order: string[] = [];
  const first = await slots.take();
  await slots.take();
  const third = slots.take().then((release) => {
    order.push("third");
    return release;
  });
  const fourth = slots.take().then(() => order.push("fourth"));
  await assert.rejects(slots.take(), { code: "BUSY", retryAfterMs: 2_000 });
  first();
  first();
  (await third)();
  await fourth;
  assert.deepEqual(order, ["third", "fourth"]);
});
