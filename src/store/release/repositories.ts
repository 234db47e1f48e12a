import type { Selectable } from "kysely";
import { commitSha } from "../../core/names.ts";
import type { EnvironmentRow, ReleaseStore } from "../../release/store.ts";
import type { Database } from "../database.ts";
import type { EnvironmentsTable } from "./tables.ts";

export function repositoryQueries(db: Database) {
  return {
    async repositories() {
      const rows = await db.selectFrom("repositories").selectAll().orderBy("name").execute();
      return rows.map(({ name, url, default_branch, problem }) => ({
        name,
        url,
        defaultBranch: default_branch,
        problem,
      }));
    },
    async saveRepository({ name, url, defaultBranch, problem }) {
      const values = { url, default_branch: defaultBranch, problem };
      await db
        .insertInto("repositories")
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column("name").doUpdateSet(values))
        .execute();
    },
    async removeRepository(name) {
      await db.deleteFrom("repositories").where("name", "=", name).execute();
    },
    async environments(repository) {
      let query = db.selectFrom("environments").selectAll().orderBy("repository").orderBy("environment");
      if (repository !== undefined) query = query.where("repository", "=", repository);
      return (await query.execute()).map(environmentOf);
    },
    async saveEnvironment({ repository, environment, branch, observedHead, waiting }) {
      const values = {
        branch,
        observed_head: observedHead,
        waiting_commit: waiting?.commit ?? null,
        waiting_reason: waiting?.reason ?? null,
      };
      await db
        .insertInto("environments")
        .values({ repository, environment, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment"]).doUpdateSet(values))
        .execute();
    },
  } satisfies Partial<ReleaseStore>;
}

function environmentOf(row: Selectable<EnvironmentsTable>): EnvironmentRow {
  return {
    repository: row.repository,
    environment: row.environment,
    branch: row.branch,
    observedHead: row.observed_head === null ? null : commitSha(row.observed_head),
    waiting:
      row.waiting_commit === null ? null : { commit: commitSha(row.waiting_commit), reason: row.waiting_reason ?? "" },
  };
}
