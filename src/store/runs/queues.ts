import { sql } from "kysely";
import type { RunStore } from "../../runs/store.ts";
import { liveStates } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import { runOf } from "./row.ts";
import { appended, refuseIllegal, withRevision } from "./runs.ts";

// Written out, not bound: PostgreSQL uses a partial index only for a condition that it can compare with the index's.
const isWaiting = sql<boolean>`runs.state in ('Scheduled', 'Late', 'AwaitingConcurrencySlot', 'Retrying')`;
const isLive = sql<boolean>`runs.state in (${sql.join(liveStates.map((state) => sql.lit(state)))})`;

export function queueQueries(db: Database) {
  return {
    async live() {
      const rows = await withRevision(db).where(isLive).orderBy("runs.ordinal").execute();
      return rows.map(runOf);
    },
    async heads({ repository, environment, deployment }, limit) {
      const rows = await withRevision(db)
        .where(isWaiting)
        .where("runs.repository", "=", repository)
        .where("runs.environment", "=", environment)
        .where("runs.job", "=", deployment)
        .orderBy("runs.due_at")
        .orderBy("runs.ordinal")
        .limit(limit)
        .execute();
      return rows.map(runOf);
    },
    async queues() {
      const rows = await db
        .selectFrom("runs")
        .select(["repository", "environment", "job"])
        .select(({ fn }) => fn.min("due_at").as("first"))
        .where(isWaiting)
        .groupBy(["repository", "environment", "job"])
        .execute();
      return rows.map(({ repository, environment, job, first }) => ({
        stack: { repository, environment, deployment: job },
        firstDueAt: first,
      }));
    },
    async stepAll({ repository, environment, deployment }, from, { dueBefore, status }) {
      for (const state of from) refuseIllegal(deployment, state, status.state);
      const { numUpdatedRows } = await db
        .updateTable("runs")
        .set({ state: status.state, history: appended(status) })
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("job", "=", deployment)
        .where("state", "in", from)
        .where("due_at", "<", dueBefore)
        .executeTakeFirst();
      return Number(numUpdatedRows);
    },
  } satisfies Partial<RunStore>;
}
