import type { Migration } from "./all.ts";

// What waits while one revision stops for another; apart from sleep, which servers act upon.
export const parkedRoutes: Migration = {
  name: "0014-parked-routes",
  sql: `alter table routes add column parked jsonb;`,
};
