import { sql } from "kysely";
import { WaybillError } from "../../core/errors.ts";
import type { RunChange, RunFilter, RunStore } from "../../runs/store.ts";
import { endedStates, mayStep, type RunState } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import { runOf } from "./row.ts";

export function runQueries(db: Database) {
  return {
    async run(id) {
      const row = await withRevision(db).where("runs.id", "=", id).executeTakeFirst();
      return row ? runOf(row) : null;
    },
    async revision(id) {
      const row = await db
        .selectFrom("runs")
        .innerJoin("run_revisions", "run_revisions.digest", "runs.revision")
        .select(["workload", "snapshot", "commit"])
        .where("runs.id", "=", id)
        .executeTakeFirst();
      return row ?? null;
    },
    async runs(filter, { before, limit }) {
      const rows = await filtered(db, filter)
        .$if(before !== undefined, (query) => query.where("runs.ordinal", "<", before ?? 0))
        .orderBy("runs.ordinal", "desc")
        .limit(limit)
        .execute();
      return rows.map(runOf);
    },
  } satisfies Partial<RunStore>;
}

export function callbackQueries(db: Database) {
  return {
    async unsettledCallbacks() {
      const rows = await withRevision(db)
        .where("runs.callback_url", "is not", null)
        .where("runs.callback_settled", "is", null)
        .where("runs.state", "in", endedStates)
        .orderBy("runs.ordinal")
        .execute();
      return rows.map(runOf);
    },
    async settleCallback({ id, endedAt }, { settled, reason }) {
      await db
        .updateTable("runs")
        .set({ callback_settled: settled, callback_reason: reason })
        .where("id", "=", id)
        .where("ended_at", "is not distinct from", endedAt)
        .execute();
    },
  } satisfies Partial<RunStore>;
}

export const withRevision = (db: Database) =>
  db
    .selectFrom("runs")
    .innerJoin("run_revisions", "run_revisions.digest", "runs.revision")
    .selectAll("runs")
    .select(["run_revisions.snapshot", "run_revisions.commit"]);

function filtered(db: Database, { repository, environment, job, states }: RunFilter) {
  let query = withRevision(db);
  if (repository !== undefined) query = query.where("runs.repository", "=", repository);
  if (environment !== undefined) query = query.where("runs.environment", "=", environment);
  if (job !== undefined) query = query.where("runs.job", "=", job);
  if (states !== undefined) query = query.where("runs.state", "in", states);
  return query;
}

export function refuseIllegal(id: string, from: RunState, to: RunState): void {
  if (from === to || mayStep(from, to)) return;
  throw new WaybillError("BUG", `run ${id} was to go from ${from} to ${to}, which is no step of a run`);
}

export const appended = (status: RunChange["status"]) => sql<string>`history || ${JSON.stringify([status])}::jsonb`;
