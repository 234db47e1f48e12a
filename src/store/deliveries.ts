import type { Selectable } from "kysely";
import { repositoryName } from "../core/names.ts";
import type { Delivery, DeliveryStore } from "../intake/delivery.ts";
import type { Database } from "./database.ts";

export interface DeliverySchema {
  deliveries: DeliveriesTable;
}

interface DeliveriesTable {
  repository: string;
  id: string;
  event: string;
  received_at: Date;
  body_digest: string;
  processed_at: Date | null;
}

export function makeDeliveryStore(db: Database): DeliveryStore {
  return {
    async add(delivery) {
      const inserted = await db
        .insertInto("deliveries")
        .values({
          repository: delivery.repository,
          id: delivery.id,
          event: delivery.event,
          received_at: delivery.receivedAt,
          body_digest: delivery.bodyDigest,
          processed_at: null,
        })
        .onConflict((conflict) => conflict.columns(["repository", "id"]).doNothing())
        .returning("id")
        .executeTakeFirst();
      return inserted !== undefined;
    },
    async pending() {
      const rows = await db
        .selectFrom("deliveries")
        .selectAll()
        .where("processed_at", "is", null)
        .orderBy("received_at")
        .execute();
      return rows.map(toDelivery);
    },
    async markProcessed(deliveries, at) {
      for (const { repository, id } of deliveries) {
        await db
          .updateTable("deliveries")
          .set({ processed_at: at })
          .where("repository", "=", repository)
          .where("id", "=", id)
          .execute();
      }
    },
    async prune(before) {
      const { numDeletedRows } = await db
        .deleteFrom("deliveries")
        .where("processed_at", "<", before)
        .executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

const toDelivery = (row: Selectable<DeliveriesTable>): Delivery => ({
  repository: repositoryName(row.repository),
  id: row.id,
  event: row.event,
  receivedAt: row.received_at,
  bodyDigest: row.body_digest,
});
