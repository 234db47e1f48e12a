import type { Migration } from "./all.ts";

// Runs that are about to be due, many in a row: nothing, until they are released.
export const preparedRuns: Migration = {
  name: "0025-prepared-runs",
  sql: `
    create table prepared_runs (
      id text primary key,
      runs jsonb not null,
      released_at timestamptz,
      -- Ids of those that were not started when the others were.
      left_out text[] not null default '{}'
    );
    -- Written once, read once: compressing them costs more than it saves.
    alter table prepared_runs alter column runs set storage external;

    select fence(array['prepared_runs']);
  `,
};
