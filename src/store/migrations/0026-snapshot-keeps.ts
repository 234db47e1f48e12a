import type { Migration } from "./all.ts";

// Tags for one deployment that hold beside one that returns to what was live before.
export const snapshotKeeps: Migration = {
  name: "0026-snapshot-keeps",
  sql: `alter table snapshots add column keeps text[] not null default '{}';`,
};
