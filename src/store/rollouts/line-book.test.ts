import assert from "node:assert/strict";
import { test } from "node:test";
import { testDatabase } from "../../../test/support/postgres.ts";
import { makeLineBook } from "./line-book.ts";

const stack = (deployment: string) => ({ repository: "shop", environment: "production", deployment });
const shape = {
  namespace: "shop--production",
  labels: {},
  requests: { "nvidia.com/gpu": 2, pods: 1 },
  limits: {},
  nodeRequirements: [{ key: "product", values: ["h100"] }],
  tolerations: [],
  spread: [],
  words: { "nvidia.com/gpu": "GPU of type h100" },
};

test("a line is kept for each target, the first in it first", async () => {
  const database = await testDatabase();
  const { db } = database;
  try {
    const [book, other] = [makeLineBook(db, "cluster"), makeLineBook(db, "elsewhere")];
    const [first, second] = [new Date("2026-01-01T12:00:00Z"), new Date("2026-01-01T12:01:00Z")];
    await book.note({ stack: stack("late"), since: second, shapes: [shape] });
    await book.note({ stack: stack("early"), since: first, shapes: [] });
    await other.note({ stack: stack("late"), since: first, shapes: [] });
    await book.note({ stack: stack("early"), since: first, shapes: [shape] });
    assert.deepEqual(await book.list(), [
      { stack: stack("early"), since: first, shapes: [shape] },
      { stack: stack("late"), since: second, shapes: [shape] },
    ]);
    await book.drop(stack("early"));
    await book.drop(stack("nobody"));
    assert.deepEqual(
      (await book.list()).map(({ stack: { deployment } }) => deployment),
      ["late"],
    );
    assert.equal((await other.list()).length, 1);
  } finally {
    await database.close();
  }
});
