import { randomUUID } from "node:crypto";
import pg from "pg";
import { WaybillError } from "../../core/errors.ts";
import { leaseMs, type LeaseBook } from "../../core/lease.ts";
import { connectionAs } from "../database.ts";

interface LeaseBookOptions {
  readonly url: string;
  /** The name that all connections of this server bear. */
  readonly holder: string;
  /** Where this server runs, for people and for `isDead`. */
  readonly place: string;
  /** Whether what ran there is gone for sure: such a holder is not waited for. */
  readonly isDead: (place: string) => boolean;
}

interface LeaseRow {
  readonly holder: string;
  readonly place: string;
}

const connectTimeoutMs = 3_000;
// A renewal that hangs is tried again in time.
const queryTimeoutMs = 3_000;
const endTimeoutMs = 2_000;
const forLeaseTime = `clock_timestamp() + interval '${leaseMs} milliseconds'`;

/** A new name for a server's life. The tables know it by its beginning (migration 0012). */
export const newHolder = (): string => `waybill server ${randomUUID()}`;

/** The lease in PostgreSQL. */
export function makeLeaseBook({ url, holder, place, isDead }: LeaseBookOptions): LeaseBook {
  const line = makeLine(url, holder);

  async function takeWith(client: pg.Client) {
    const { rows } = await client.query<LeaseRow>("select holder, place from server_lease");
    const [before = { holder: "", place: "" }] = rows;
    // One statement, so that a process that stops in the middle locks nobody out.
    const { rowCount } = await client.query(
      `update server_lease set holder = $1, place = $2, expires_at = ${forLeaseTime},
         former = case when holder in ('', $1) then former else former || holder end
       where holder = $3 and ($4 or holder in ('', $1) or expires_at < clock_timestamp())`,
      [holder, place, before.holder, isDead(before.place)],
    );
    if (rowCount !== 1) return { isOurs: false, place: before.place };
    await endFormer(client);
    return { isOurs: true, place };
  }

  return {
    take: () => line.within(takeWith),
    renew: () =>
      line.within(async (client) => {
        const { rowCount } = await client.query(
          `update server_lease set expires_at = ${forLeaseTime} where holder = $1`,
          [holder],
        );
        return rowCount === 1;
      }),
    release: () =>
      line.within(async (client) => {
        await client.query(
          "update server_lease set holder = '', place = '', expires_at = '-infinity' where holder = $1",
          [holder],
        );
      }),
    close: () => line.close(),
  };
}

/** A connection of its own, made again after any failure: others' long queries do not hold it up. */
function makeLine(url: string, holder: string) {
  let open: Promise<pg.Client> | null = null;

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...connectionAs(holder, url),
      connectionTimeoutMillis: connectTimeoutMs,
      query_timeout: queryTimeoutMs,
      keepAlive: true,
    });
    client.on("error", () => forget(client));
    await client.connect();
    return client;
  }

  function forget(client: pg.Client): void {
    open = null;
    client.end().catch(() => undefined);
  }

  return {
    async within<Answer>(work: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
      open ??= connect();
      try {
        const client = await open;
        return await work(client).catch((error: unknown) => {
          // What state it is in, nobody knows.
          forget(client);
          throw error;
        });
      } catch (cause) {
        open = null;
        throw cause instanceof WaybillError ? cause : unavailable(cause);
      }
    },
    async close(): Promise<void> {
      const client = await open?.catch(() => null);
      open = null;
      await client?.end().catch(() => undefined);
    },
  };
}

/**
 * From here on no statement of a former holder is under way: what it began is rolled back, and what it begins anew is
 * refused by the tables.
 */
async function endFormer(client: pg.Client): Promise<void> {
  const ofFormer = "from pg_stat_activity join server_lease on application_name = any(former)";
  const { rows } = await client.query<{ readonly pid: number }>(
    `select pid, pg_terminate_backend(pid, ${endTimeoutMs}) ${ofFormer}`,
  );
  // It may come back under the same name: what counts is that these are gone.
  const { rowCount } = await client.query(`select pid ${ofFormer} where pid = any($1)`, [rows.map(({ pid }) => pid)]);
  if (rowCount !== 0) {
    throw new WaybillError("DATABASE_UNAVAILABLE", "the connections of the server before this one could not be ended");
  }
  await client.query("update server_lease set former = '{}' where holder = current_setting('application_name')");
}

const unavailable = (cause: unknown): WaybillError =>
  new WaybillError("DATABASE_UNAVAILABLE", `the lease could not be read or written: ${String(cause)}`, { cause });
