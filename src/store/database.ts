import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { WaybillError } from "../core/errors.ts";
import { migrations } from "./migrations/all.ts";
import type { Schema } from "./schema.ts";

export type Database = Kysely<Schema>;

export interface OpenDatabase {
  readonly db: Database;
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

interface DatabaseOptions {
  readonly maxConnections?: number;
  /** What all connections are called. */
  readonly name?: string;
}

/** What an address asks for itself wins over other settings: the name is put into both. */
export function connectionAs(
  name: string,
  url: string,
): { readonly connectionString: string; readonly application_name: string } {
  if (!URL.canParse(url)) return { connectionString: url, application_name: name };
  const named = new URL(url);
  named.searchParams.set("application_name", name);
  return { connectionString: named.href, application_name: name };
}

// One advisory lock for migrations, so that two servers starting at once take turns. The number is arbitrary.
const migrationLock = 7_426_711;

// bigint columns hold counters that stay below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Connects, brings the tables up to date, and answers the handle. `close` ends every connection. */
export async function openDatabase(url: string, options: DatabaseOptions = {}): Promise<OpenDatabase> {
  const { maxConnections = 10, name } = options;
  const pool = new pg.Pool({
    ...(name === undefined ? { connectionString: url } : connectionAs(name, url)),
    max: maxConnections,
  });
  // An idle connection that the server ends must not end this process; the next query reconnects.
  pool.on("error", () => undefined);
  // Nor one in use, between two of its queries.
  pool.on("connect", (client) => client.on("error", () => undefined));
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(db);
  } catch (cause) {
    await db.destroy();
    throw new WaybillError("DATABASE_UNAVAILABLE", `PostgreSQL cannot be used: ${String(cause)}`, { cause });
  }
  return { db, pool, close: () => db.destroy() };
}

async function migrate(db: Database): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    // Whoever acts: a server brings the tables up to date before it has the right to write to them.
    await sql`select set_config('application_name', 'waybill migration', true)`.execute(transaction);
    await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(transaction);
    await sql`create table if not exists migrations (name text primary key, at timestamptz not null default now())`.execute(
      transaction,
    );
    const done = new Set((await transaction.selectFrom("migrations").select("name").execute()).map(({ name }) => name));
    for (const migration of migrations) {
      if (done.has(migration.name)) continue;
      await sql.raw(migration.sql).execute(transaction);
      await transaction.insertInto("migrations").values({ name: migration.name }).execute();
    }
  });
}
