import type { Migration } from "./all.ts";

export const deliveries: Migration = {
  name: "0002-deliveries",
  sql: `
    create table deliveries (
      repository text not null,
      id text not null,
      event text not null,
      received_at timestamptz not null,
      body_digest text not null,
      processed_at timestamptz,
      primary key (repository, id)
    );
    create index deliveries_pending on deliveries (received_at) where processed_at is null;
    create index deliveries_processed on deliveries (processed_at) where processed_at is not null;
  `,
};
