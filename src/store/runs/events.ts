import { sql, type ColumnType, type Generated, type Selectable } from "kysely";
import type { Cipher } from "../../core/cipher.ts";
import { Secret } from "../../core/secret.ts";
import type { EventAddress, EventDelivery, EventOutcome, EventStore } from "../../runs/triggers/event-store.ts";
import type { Database } from "../database.ts";

export interface EventSchema {
  event_secrets: EventSecretsTable;
  event_deliveries: EventDeliveriesTable;
}

interface EventSecretsTable {
  ordinal: Generated<number>;
  repository: string;
  environment: string;
  event: string;
  secret: string;
  made_by: string;
  made_at: Date;
}

interface EventDeliveriesTable {
  repository: string;
  environment: string;
  event: string;
  id: string;
  received_at: Date;
  body: Buffer;
  settled_at: Date | null;
  outcome: ColumnType<readonly EventOutcome[] | null, string | null, string | null>;
}

// One, and the one that takes its place.
const maxKeys = 2;

/** A ciphertext moved to another event's row cannot be read there. */
const scopeOf = ({ repository, environment, event }: EventAddress): string =>
  `event ${repository}/${environment}/${event}`;

export const makeEventStore = (db: Database, cipher: Cipher): EventStore => ({
  ...keyQueries(db, cipher),
  ...deliveryQueries(db),
});

function keyQueries(db: Database, cipher: Cipher) {
  const newest = ({ repository, environment, event }: EventAddress) =>
    db
      .selectFrom("event_secrets")
      .where("repository", "=", repository)
      .where("environment", "=", environment)
      .where("event", "=", event)
      .orderBy("ordinal", "desc");

  async function keep(address: EventAddress, count: number): Promise<void> {
    const former = newest(address).select("ordinal").offset(count);
    await db.deleteFrom("event_secrets").where("ordinal", "in", former).execute();
  }

  return {
    async keys(address) {
      const rows = await newest(address).selectAll().limit(maxKeys).execute();
      return rows.map(({ secret, made_by: by, made_at: at }) => ({
        by,
        at,
        key: new Secret(cipher.decrypt(secret, scopeOf(address))),
      }));
    },
    async addKey(address, { by, at, key }) {
      const { repository, environment, event } = address;
      const secret = cipher.encrypt(key.reveal(), scopeOf(address));
      const values = { repository, environment, event, secret, made_by: by, made_at: at };
      await db.insertInto("event_secrets").values(values).execute();
      await keep(address, maxKeys);
    },
    endFormerKeys: (address) => keep(address, 1),
  } satisfies Partial<EventStore>;
}

const isDelivery = ({ repository, environment, event, id }: EventAddress & { readonly id: string }) =>
  sql<boolean>`(repository, environment, event, id) = (${repository}, ${environment}, ${event}, ${id})`;

function deliveryQueries(db: Database) {
  return {
    async add({ address: { repository, environment, event }, id, receivedAt, body }) {
      const key = { repository, environment, event, id };
      const inserted = await db
        .insertInto("event_deliveries")
        .values({ ...key, received_at: receivedAt, body: Buffer.from(body) })
        .onConflict((conflict) => conflict.columns(["repository", "environment", "event", "id"]).doNothing())
        .returning("id")
        .executeTakeFirst();
      if (inserted) return "new";
      const before = await db
        .selectFrom("event_deliveries")
        .select("body")
        .where(isDelivery({ repository, environment, event, id }))
        .executeTakeFirst();
      return before?.body.equals(body) === false ? "other" : "repeated";
    },
    async pending(limit) {
      const rows = await db
        .selectFrom("event_deliveries")
        .selectAll()
        .where("settled_at", "is", null)
        .orderBy("received_at")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ ...deliveryOf(row), body: row.body }));
    },
    async settle({ address: { repository, environment, event }, id }, outcome, at) {
      await db
        .updateTable("event_deliveries")
        .set({ settled_at: at, outcome: JSON.stringify(outcome) })
        .where(isDelivery({ repository, environment, event, id }))
        .execute();
    },
    async deliveries({ repository, environment, event }, limit) {
      const rows = await db
        .selectFrom("event_deliveries")
        .select(["repository", "environment", "event", "id", "received_at", "outcome"])
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("event", "=", event)
        .orderBy("received_at", "desc")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ ...deliveryOf(row), outcome: row.outcome }));
    },
    async prune(before) {
      const { numDeletedRows } = await db
        .deleteFrom("event_deliveries")
        .where("settled_at", "<", before)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  } satisfies Partial<EventStore>;
}

const deliveryOf = (
  row: Pick<Selectable<EventDeliveriesTable>, "repository" | "environment" | "event" | "id" | "received_at">,
): Omit<EventDelivery, "body"> => ({
  address: { repository: row.repository, environment: row.environment, event: row.event },
  id: row.id,
  receivedAt: row.received_at,
});
