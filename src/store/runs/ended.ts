import { sql } from "kysely";
import type { RunStore, Superfluous } from "../../runs/store.ts";
import { endedStates } from "../../runs/state.ts";
import type { Database } from "../database.ts";

// As the index has it.
const hasEnded = sql<boolean>`runs.state in (${sql.join(endedStates.map((state) => sql.lit(state)))})`;

/** Runs that are over, and how long they are kept. */
export function endedQueries(db: Database) {
  return {
    async superfluous({ repository, environment, deployment }, { completed, failed, cancelled, since }, limit) {
      const { rows } = await sql<Superfluous>`
        select ended.id, run_revisions.workload ->> 'target' as target
        from (
          select id, ordinal, revision, state, ended_at, chain_due or (callback_url is not null and callback_settled is null) as is_owed,
            row_number() over (
              partition by case state when 'Completed' then 1 when 'Cancelled' then 2 else 3 end order by ordinal desc
            ) as place
          from runs
          where ${hasEnded} and repository = ${repository} and environment = ${environment} and job = ${deployment}
        ) ended
        join run_revisions on run_revisions.digest = ended.revision
        where not ended.is_owed and (ended.ended_at < ${since}::timestamptz or ended.place > case ended.state
          when 'Completed' then ${completed}::integer when 'Cancelled' then ${cancelled}::integer
          else ${failed}::integer end)
        order by ended.ordinal
        limit ${limit}`.execute(db);
      return rows;
    },
    async remove(ids) {
      if (ids.length === 0) return;
      await db.deleteFrom("runs").where("id", "in", ids).where(hasEnded).execute();
    },
  } satisfies Partial<RunStore>;
}
