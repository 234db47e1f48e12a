import { sql } from "kysely";
import type { RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { isToCome, isWaiting } from "./queues.ts";
import { runOf } from "./row.ts";
import { withRevision } from "./runs.ts";

/** What a clock that was set back has put into the future. */
export function delayQueries(db: Database) {
  return {
    async bringForward(now) {
      await sql`update runs set due_at = runs.due_at - (line.last - ${now}::timestamptz)
        from (
          select repository, environment, job, max(due_at) as last from runs
          where ${isWaiting} and not ${isToCome} group by repository, environment, job
        ) line
        where ${isWaiting} and not ${isToCome} and line.last > ${now}
          and (runs.repository, runs.environment, runs.job) = (line.repository, line.environment, line.job)`.execute(
        db,
      );
    },
    async retriesSince(now) {
      const rows = await withRevision(db)
        .where(isWaiting)
        .where("runs.state", "=", "Retrying")
        .where(sql<Date>`(runs.history->-1->>'since')::timestamptz`, ">", now)
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
  } satisfies Partial<RunStore>;
}
