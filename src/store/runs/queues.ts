import { sql } from "kysely";
import type { RunStore } from "../../runs/store.ts";
import { liveStates } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import { withRevisions, type RevisionBook } from "./revisions.ts";
import { appended, refuseIllegal } from "./runs.ts";

// Written out, not bound: PostgreSQL uses a partial index only for a condition that it can compare with the index's.
export const isWaiting = sql<boolean>`runs.state in ('Scheduled', 'Late', 'AwaitingConcurrencySlot', 'Retrying')`;
// As the index has it.
export const isToCome = sql<boolean>`(runs.state <> 'AwaitingConcurrencySlot')`;
const isLive = sql<boolean>`runs.state in (${sql.join(liveStates.map((state) => sql.lit(state)))})`;

export function queueQueries(db: Database, { revisions }: { readonly revisions: Pick<RevisionBook, "named"> }) {
  return {
    async live() {
      const rows = await db.selectFrom("runs").selectAll().where(isLive).orderBy("ordinal").execute();
      return withRevisions(db, revisions, rows);
    },
    async heads({ repository, environment, deployment }, limit) {
      const rows = await db
        .selectFrom("runs")
        .selectAll()
        .where(isWaiting)
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("job", "=", deployment)
        .orderBy(isToCome)
        .orderBy("due_at")
        .orderBy("ordinal")
        .limit(limit)
        .execute();
      return withRevisions(db, revisions, rows);
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
