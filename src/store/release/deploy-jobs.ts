import type { ReleaseStore } from "../../release/store.ts";
import type { Database } from "../database.ts";

export function deployJobQueries(db: Database) {
  return {
    async deployJobs({ repository, environment, deployment } = {}) {
      let query = db.selectFrom("deploy_steps").selectAll();
      if (repository !== undefined) query = query.where("repository", "=", repository);
      if (environment !== undefined) query = query.where("environment", "=", environment);
      if (deployment !== undefined) query = query.where("deployment", "=", deployment);
      const rows = await query.orderBy("phase", "desc").execute();
      return rows.map(({ phase, job, run, snapshot, state, reason, ...stack }) => ({
        stack: { repository: stack.repository, environment: stack.environment, deployment: stack.deployment },
        phase,
        job,
        run,
        snapshot,
        state,
        reason,
      }));
    },
  } satisfies Partial<ReleaseStore>;
}
