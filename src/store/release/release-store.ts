import type { EnvironmentRef } from "../../release/release.ts";
import type { ReleaseStore } from "../../release/store.ts";
import type { Database } from "../database.ts";
import { applyQueries, deploymentQueries } from "./deployments.ts";
import { deployJobQueries } from "./deploy-jobs.ts";
import { driftQueries } from "./drift.ts";
import { repositoryQueries } from "./repositories.ts";
import { snapshotQueries } from "./snapshots.ts";

export function makeReleaseStore(db: Database): ReleaseStore {
  return {
    ...repositoryQueries(db),
    ...snapshotQueries(db),
    ...deploymentQueries(db),
    ...applyQueries(db),
    ...overrideQueries(db),
    ...driftQueries(db),
    ...deployJobQueries(db),
  };
}

function overrideQueries(db: Database) {
  return {
    async overrides({ repository, environment }: EnvironmentRef) {
      const rows = await db
        .selectFrom("overrides")
        .selectAll()
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .execute();
      return new Map(rows.map(({ name, pause, restart }) => [name, { pause, restart }]));
    },
    async saveOverride({ repository, environment, deployment }, { pause, restart }) {
      const values = { pause: pause && JSON.stringify(pause), restart };
      await db
        .insertInto("overrides")
        .values({ repository, environment, name: deployment, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment", "name"]).doUpdateSet(values))
        .execute();
    },
    async schedulePauses({ repository, environment }: EnvironmentRef) {
      const rows = await db
        .selectFrom("schedule_pauses")
        .select(["job", "schedule", "pause"])
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .execute();
      const byJob = Map.groupBy(rows, ({ job }) => job);
      return new Map(
        [...byJob].map(([job, ofJob]) => [job, new Map(ofJob.map(({ schedule, pause }) => [schedule, pause]))]),
      );
    },
  } satisfies Partial<ReleaseStore>;
}
