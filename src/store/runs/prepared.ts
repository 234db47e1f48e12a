import { sql } from "kysely";
import { WaybillError } from "../../core/errors.ts";
import type { PreparedRun, RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import type { Precedence } from "./precedence.ts";
import type { RevisionBook } from "./revisions.ts";

const fields = sql.raw(`id text, repository text, environment text, job text, name text, revision text, schedule text,
  schedule_time timestamptz, parameters jsonb, due_at timestamptz, digest text`);

interface PreparedParts extends Pick<Precedence, "first"> {
  readonly revisions: RevisionBook;
}

/** Runs of schedules that are written down before their time: a row for many. */
export function preparedQueries(db: Database, { first, revisions }: PreparedParts) {
  return {
    async prepare({ id, runs }) {
      const found = runs.map(({ revision }) => revision);
      await revisions.write(db, found);
      revisions.keep(found);
      const given = JSON.stringify(runs.map((run) => rowOf(run, revisions.digestOf(run.revision))));
      const { rows } = await sql<{ id: string }>`
        with prepared as (insert into prepared_runs (id, runs) values (${id}, ${given}::jsonb) returning runs)
        select given.id from prepared, jsonb_to_recordset(prepared.runs) as given (${fields})
        join runs using (repository, environment, job, schedule, schedule_time)`.execute(db);
      return new Set(rows.map((row) => row.id));
    },
    async release(releases, at) {
      const given = releases.map(({ batch, leftOut }) => ({ batch, left_out: leftOut }));
      const { numAffectedRows } = await first(() =>
        sql`update prepared_runs set released_at = ${at}, left_out = given.left_out
          from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as given (batch text, left_out text[])
          where prepared_runs.id = given.batch`.execute(db),
      );
      if (Number(numAffectedRows) === releases.length) return;
      throw new WaybillError(
        "BUG",
        `${releases.length} prepared batches were released, and only ${numAffectedRows} are there`,
      );
    },
    async acceptReleased(batch) {
      const { rows } = await first(() => acceptance(batch).execute(db));
      return new Map(rows.map(({ id, ordinal }) => [id, ordinal]));
    },
    async released() {
      const rows = await db
        .selectFrom("prepared_runs")
        .select("id")
        .where("released_at", "is not", null)
        .orderBy("released_at")
        .execute();
      return rows.map(({ id }) => id);
    },
    async dropPrepared(batches) {
      await db
        .deleteFrom("prepared_runs")
        .$if(batches !== undefined, (query) => query.where("id", "in", batches ?? []))
        .execute();
    },
  } satisfies Partial<RunStore>;
}

/** A repository that is gone meanwhile has taken its runs along. A mark of another rule is another schedule's. */
const acceptance = (batch: string) => sql<{ id: string; ordinal: number }>`
        with batch as (
          delete from prepared_runs where id = ${batch} and released_at is not null returning runs, released_at, left_out
        ), given as (
          select given.*, batch.released_at from batch, jsonb_to_recordset(batch.runs) as given (${fields})
          where given.id <> all (batch.left_out)
        ), marked as (
          update schedule_marks set until = given.schedule_time from given
          where (schedule_marks.repository, schedule_marks.environment, schedule_marks.job, schedule_marks.schedule)
              = (given.repository, given.environment, given.job, given.schedule)
            and schedule_marks.digest = given.digest and schedule_marks.until < given.schedule_time
        )
        insert into runs (id, repository, environment, job, name, revision, schedule, schedule_time, parameters, due_at,
          accepted_at, state, attempt, history)
        select id, repository, environment, job, name, revision, schedule, schedule_time, parameters, due_at,
          released_at, 'Pending', 1, ${historyAt}
        from given where exists (select from repositories where repositories.name = given.repository)
        on conflict do nothing
        returning id, ordinal`;

const historyAt = sql.raw(
  `jsonb_build_array(${["Scheduled", "Pending"]
    .map((state) => `jsonb_build_object('state', '${state}', 'since', released_at, 'reason', '', 'waitingFor', null)`)
    .join(", ")})`,
);

function rowOf({ id, stack, name, origin, parameters, dueAt, digest }: PreparedRun, revision: string) {
  const { repository, environment, deployment: job } = stack;
  const { schedule, time } = origin;
  return {
    id,
    repository,
    environment,
    job,
    name,
    revision,
    schedule,
    schedule_time: time,
    parameters,
    due_at: dueAt,
    digest,
  };
}
