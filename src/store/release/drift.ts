import { sql } from "kysely";
import type { DriftRow, ReleaseStore } from "../../release/store.ts";
import type { Database } from "../database.ts";

export function driftQueries(db: Database) {
  return {
    async drifts({ repository, environment } = {}) {
      let query = db.selectFrom("drift").select(["repository", "environment", "stack", "deployment", "found"]);
      if (repository !== undefined) query = query.where("repository", "=", repository);
      if (environment !== undefined) query = query.where("environment", "=", environment);
      return query.orderBy("stack").execute();
    },
    async saveDrift({ repository, environment, stack, deployment, found }: DriftRow) {
      if (found.length === 0) {
        const row = sql<boolean>`(repository, environment, stack) = (${repository}, ${environment}, ${stack})`;
        await db.deleteFrom("drift").where(row).execute();
        return;
      }
      const values = { deployment, found: JSON.stringify(found), seen_at: sql<Date>`now()` };
      await db
        .insertInto("drift")
        .values({ repository, environment, stack, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment", "stack"]).doUpdateSet(values))
        .execute();
    },
  } satisfies Partial<ReleaseStore>;
}
