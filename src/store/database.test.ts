import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { testDatabase } from "../../test/support/postgres.ts";
import { openDatabase } from "./database.ts";

test("opening a database twice runs each migration once", async () => {
  const first = await testDatabase();
  try {
    const again = await openDatabase(first.url);
    const { rows } = await sql<{ count: number }>`select count(*) as count from migrations`.execute(again.db);
    const { rows: names } = await sql<{ count: number }>`select count(distinct name) as count from migrations`.execute(
      again.db,
    );
    assert.deepEqual(rows, names);
    await again.close();
  } finally {
    await first.close();
  }
});

test("a database that is not there is an error that says so", async () => {
  await assert.rejects(openDatabase("postgres://nobody:x@127.0.0.1:1/none"), {
    code: "DATABASE_UNAVAILABLE",
    message: /ECONNREFUSED/,
  });
});
