import { sql } from "kysely";
import type { RunStore } from "../../runs/store.ts";
import { endedStates } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import { causeOf, runOf } from "./row.ts";
import { withRevision } from "./runs.ts";

export function chainQueries(db: Database) {
  return {
    async chainsDue(limit) {
      const rows = await withRevision(db)
        .where("runs.chain_due", "=", true)
        .where("runs.state", "in", endedStates)
        .orderBy("runs.ordinal")
        .limit(limit)
        .execute();
      return rows.map(runOf);
    },
    async settleChains(settled) {
      const silent = settled.filter(({ note }) => note === "");
      for (const notes of [silent, ...settled.filter(({ note }) => note !== "").map((one) => [one])]) {
        if (notes.length === 0) continue;
        await db
          .updateTable("runs")
          .set({ chain_due: false, chain_note: notes[0]?.note ?? "" })
          .where(
            sql<boolean>`(id, state, attempt) in (${sql.join(
              notes.map(({ run: { id, status, attempt } }) => sql`(${id}, ${status.state}, ${attempt}::integer)`),
            )})`,
          )
          .execute();
      }
    },
    async followers(id) {
      const rows = await withRevision(db)
        .where("runs.cause", "=", "after")
        .where("runs.cause_key", "=", id)
        .orderBy("runs.ordinal")
        .execute();
      return rows.map(runOf);
    },
    async caused({ repository, environment, deployment }, origin) {
      const { cause, cause_name: name, cause_key: key } = causeOf(origin);
      const row = await withRevision(db)
        .where("runs.repository", "=", repository)
        .where("runs.environment", "=", environment)
        .where("runs.job", "=", deployment)
        .where("runs.cause", "=", cause)
        .where("runs.cause_name", "=", name)
        .where("runs.cause_key", "=", key)
        .executeTakeFirst();
      return row ? runOf(row) : null;
    },
  } satisfies Partial<RunStore>;
}
