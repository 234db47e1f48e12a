import { sql } from "kysely";
import type { RunStore } from "../../runs/store.ts";
import { liveStates } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import { runOf } from "./row.ts";
import { appended, refuseIllegal, withRevision } from "./runs.ts";

// Written out, not bound: PostgreSQL uses a partial index only for a condition that it can compare with the index's.
export const isWaiting = sql<boolean>`runs.state in ('Scheduled', 'Late', 'AwaitingConcurrencySlot', 'Retrying')`;
// As the index has it.
export const isToCome = sql<boolean>`(runs.state <> 'AwaitingConcurrencySlot')`;
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
        .orderBy(isToCome)
        .orderBy("runs.due_at")
        .orderBy("runs.ordinal")
        .limit(limit)
        .execute();
      return rows.map(runOf);
    },
    async nextDueAt({ repository, environment, deployment }) {
      const row = await db
        .selectFrom("runs")
        .select("due_at")
        .where(isWaiting)
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("job", "=", deployment)
        .where(isToCome)
        .orderBy("due_at")
        .limit(1)
        .executeTakeFirst();
      return row?.due_at ?? null;
    },
    async stepAll({ repository, environment, deployment }, from, { dueBefore, status }) {
      for (const state of from) refuseIllegal(deployment, state, status.state);
      const { numUpdatedRows } = await db
        .updateTable("runs")
        .set({ state: status.state, history: appended(status) })
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("job", "=", deployment)
        .where(isWaiting)
        .where(isToCome)
        .where("state", "in", from)
        .where("due_at", "<=", dueBefore)
        .executeTakeFirst();
      return Number(numUpdatedRows);
    },
  } satisfies Partial<RunStore>;
}
