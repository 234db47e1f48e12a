import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { testDatabase } from "../../../test/support/postgres.ts";
import { connectionAs } from "../database.ts";
import { makeLeaseBook, newHolder } from "./lease-book.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database?.close());

const dead = new Set<string>();

function server(place: string) {
  const holder = newHolder();
  const book = makeLeaseBook({ url: database.url, holder, place, isDead: (other) => dead.has(other) });
  const pool = new pg.Pool({ ...connectionAs(holder, database.url), max: 1 });
  pool.on("error", () => undefined);
  const write = (name: string): Promise<unknown> =>
    pool.query("insert into repositories (name, default_branch) values ($1, 'main')", [name]);
  return { book, pool, write, close: () => Promise.all([book.close(), pool.end()]) };
}

const expire = () => database.pool.query("update server_lease set expires_at = now() - interval '1 ms'");
const isRefused = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === "WB001";

test("one takes it, another waits until it is over, and what the first began is not written", async () => {
  const [one, two] = [server("one"), server("two")];
  try {
    assert.deepEqual(await one.book.take(), { isOurs: true, place: "one" });
    assert.deepEqual(await two.book.take(), { isOurs: false, place: "one" });
    await assert.rejects(two.write("early"), isRefused);
    await one.write("mine");
    await expire();
    assert.equal(await one.book.renew(), true, "nobody has taken it");
    assert.equal((await two.book.take()).isOurs, false);

    const client = await one.pool.connect();
    await client.query("begin");
    await client.query("insert into repositories (name, default_branch) values ('half', 'main')");
    client.on("error", () => undefined);
    await expire();
    assert.equal((await two.book.take()).isOurs, true);
    await assert.rejects(client.query("commit"));
    client.release(true);
    assert.equal(await one.book.renew().catch(() => one.book.renew()), false);
    await assert.rejects(one.write("late"), isRefused);
    await two.write("ours");
    const { rows } = await database.pool.query<{ name: string }>("select name from repositories order by name");
    assert.deepEqual(
      rows.map(({ name }) => name),
      ["mine", "ours"],
    );
    await two.book.release();
    assert.equal((await one.book.take()).isOurs, true);
  } finally {
    await one.book.release();
    await Promise.all([one.close(), two.close()]);
  }
});

test("a holder that is known to be dead is not waited for", async () => {
  const [one, two] = [server("first"), server("second")];
  try {
    await one.book.take();
    dead.add("first");
    assert.equal((await two.book.take()).isOurs, true);
  } finally {
    await two.book.release();
    await Promise.all([one.close(), two.close()]);
  }
});

test("of many that reach for it one gets it", async () => {
  const all = Array.from({ length: 8 }, (_, index) => server(`racer ${index}`));
  try {
    const takings = await Promise.all(all.map(({ book }) => book.take()));
    assert.equal(takings.filter(({ isOurs }) => isOurs).length, 1);
    await sleep(0);
  } finally {
    await expire();
    await Promise.all(all.map(({ close }) => close()));
  }
});

test("every table that a server writes to is fenced", async () => {
  const { rows } = await database.pool.query<{ tablename: string }>(
    `select tablename from pg_tables where schemaname = 'public' and not exists (
       select from pg_trigger where tgrelid = format('%I', tablename)::regclass and tgname = 'fenced')
     order by tablename`,
  );
  assert.deepEqual(
    rows.map(({ tablename }) => tablename),
    ["migrations", "server_lease"],
  );
});
