import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTogether } from "./together.ts";
import { makeTurns } from "./turns.ts";

test("what is asked for while others have their turn goes together, each with its own answer", async () => {
  const acts: number[][] = [];
  const inTurn = makeTurns();
  const double = makeTogether<number, number>({
    inTurn: (act) => inTurn("", act),
    act: async (asked) => {
      acts.push([...asked]);
      if (asked.includes(3)) throw new TypeError("3 cannot be done");
      return asked.map((each) => each * 2);
    },
  });
  assert.deepEqual(await Promise.all([1, 2].map(double)), [2, 4]);
  const settled = await Promise.allSettled([2, 3, 4].map(double));
  assert.deepEqual(
    settled.map((one) => (one.status === "fulfilled" ? one.value : "failed")),
    [4, "failed", 8],
  );
  assert.deepEqual(acts, [[1, 2], [2, 3, 4], [2], [3], [4]]);
});
