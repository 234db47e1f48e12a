import type { Migration } from "./all.ts";

export const appliedWorkload: Migration = {
  name: "0010-applied-workload",
  sql: `
    alter table deployments add column applied_workload jsonb;
    update deployments set applied_workload = workload where applied_digest = desired_digest;
  `,
};
