import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { sql } from "kysely";
import { testDatabase } from "../../../test/support/postgres.ts";
import { inStoredOrder } from "../../release/define/stored-order.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

test("a value has the order that the database gives it back in", async () => {
  const value = {
    zeta: 1,
    a: { PORT: "x", LEVEL: "y", Ä: "two bytes", b: undefined, "10": 1, "9": 2 },
    list: [{ name: "db", env: "DB" }, null, "text"],
    aa: {},
  };
  const { rows } = await sql<{ value: unknown }>`select ${JSON.stringify(value)}::jsonb as value`.execute(database.db);
  assert.equal(JSON.stringify(inStoredOrder(value)), JSON.stringify(rows[0]?.value));
  assert.notEqual(JSON.stringify(value), JSON.stringify(rows[0]?.value));
});
