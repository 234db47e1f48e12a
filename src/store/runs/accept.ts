import { sql } from "kysely";
import type { Run } from "../../runs/run.ts";
import { acceptedRun } from "../../runs/dispatch/admission.ts";
import type { NewRun, RunStore, ScheduleMark } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { causeOf } from "./row.ts";
import type { Precedence } from "./precedence.ts";
import type { RevisionBook } from "./revisions.ts";
import type { RunsTable } from "./tables.ts";

// PostgreSQL takes 65,535 parameters a statement.
const chunkSize = 1_000;
// Steps of other runs do not wait for these.
const fewRuns = 100;

// One value of JSON in place of a parameter for each field of each row: a quarter of the time.
const columns = {
  id: "text",
  repository: "text",
  environment: "text",
  job: "text",
  name: "text",
  revision: "text",
  schedule: "text",
  schedule_time: "timestamptz",
  asked_by: "text",
  rerun_of: "text",
  cause: "text",
  cause_name: "text",
  cause_key: "text",
  chain_due: "boolean",
  parameters: "jsonb",
  accepted_at: "timestamptz",
  due_at: "timestamptz",
  state: "text",
  history: "jsonb",
  attempt: "integer",
  callback_url: "text",
} as const satisfies Partial<Record<keyof RunsTable, string>>;
const columnNames = sql.raw(Object.keys(columns).join(", "));
const columnTypes = sql.raw(
  Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(", "),
);

interface AcceptParts extends Pick<Precedence, "first"> {
  readonly revisions: RevisionBook;
}

export function acceptQueries(db: Database, { first, revisions }: AcceptParts) {
  async function insert(transaction: Database, runs: readonly NewRun[]): Promise<readonly Run[]> {
    await revisions.write(
      transaction,
      runs.map(({ revision }) => revision),
    );
    const given = runs.map((run) => rowOf(run, revisions.digestOf(run.revision)));
    const { rows } = await sql<{ id: string; ordinal: number }>`
      insert into runs (${columnNames})
      select ${columnNames} from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as given (${columnTypes})
      on conflict do nothing
      returning id, ordinal`.execute(transaction);
    const ordinals = new Map(rows.map(({ id, ordinal }) => [id, ordinal]));
    return runs.flatMap((run) => {
      const ordinal = ordinals.get(run.id);
      return ordinal === undefined ? [] : [acceptedRun(run, ordinal)];
    });
  }

  return {
    async know(found) {
      for (const chunk of chunksOf(found)) {
        await revisions.write(db, chunk);
        revisions.keep(chunk);
      }
    },
    async accept(runs, marks = []) {
      const isShort = runs.length <= fewRuns && marks.length === 0;
      const isOneStatement = isShort && runs.every(({ revision }) => revisions.isWritten(revision));
      if (isOneStatement) return runs.length === 0 ? [] : insert(db, runs);
      const accepted = await first(() =>
        db.transaction().execute(async (transaction) => {
          const all: Run[] = [];
          for (const chunk of chunksOf(runs)) all.push(...(await insert(transaction, chunk)));
          for (const chunk of chunksOf(marks)) await writeMarks(transaction, chunk);
          return all;
        }),
      );
      revisions.keep(runs.map(({ revision }) => revision));
      return accepted;
    },
  } satisfies Partial<RunStore>;
}

/** How far schedules were looked at. */
export function markQueries(db: Database) {
  return {
    async marks(stack) {
      let query = db.selectFrom("schedule_marks").selectAll();
      if (stack) {
        query = query.where("repository", "=", stack.repository).where("environment", "=", stack.environment);
        query = query.where("job", "=", stack.deployment);
      }
      const rows = await query.execute();
      return rows.map(({ repository, environment, job, passed_after: after, passed_until: until, ...mark }) => ({
        ...mark,
        stack: { repository, environment, deployment: job },
        passed: after && until && { after, until },
      }));
    },
    async keepMarks({ repository, environment, deployment }, schedules) {
      await db
        .deleteFrom("schedule_marks")
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("job", "=", deployment)
        .$if(schedules.length > 0, (query) => query.where("schedule", "not in", schedules))
        .execute();
    },
  } satisfies Partial<RunStore>;
}

const chunksOf = <Value>(values: readonly Value[]): readonly (readonly Value[])[] =>
  Array.from({ length: Math.ceil(values.length / chunkSize) }, (_, index) =>
    values.slice(index * chunkSize, (index + 1) * chunkSize),
  );

async function writeMarks(db: Database, marks: readonly ScheduleMark[]): Promise<void> {
  const given = marks.map(({ stack: { repository, environment, deployment: job }, passed, ...mark }) => {
    return { repository, environment, job, ...mark, passed_after: passed?.after, passed_until: passed?.until };
  });
  await sql`
    insert into schedule_marks (repository, environment, job, schedule, digest, until, passed_after, passed_until)
    select * from jsonb_to_recordset(${JSON.stringify(given)}::jsonb) as given (repository text, environment text,
      job text, schedule text, digest text, until timestamptz, passed_after timestamptz, passed_until timestamptz)
    on conflict (repository, environment, job, schedule) do update set digest = excluded.digest,
      until = excluded.until, passed_after = excluded.passed_after, passed_until = excluded.passed_until`.execute(db);
}

function rowOf(run: NewRun, revision: string): Readonly<Record<keyof typeof columns, unknown>> {
  const { stack, origin, history } = run;
  const schedule = origin.by === "schedule" ? origin : null;
  const person = origin.by === "person" ? origin : null;
  return {
    id: run.id,
    repository: stack.repository,
    environment: stack.environment,
    job: stack.deployment,
    name: run.name,
    revision,
    schedule: schedule?.schedule ?? null,
    schedule_time: schedule?.time ?? null,
    asked_by: person?.name ?? null,
    rerun_of: person?.rerunOf ?? null,
    ...causeOf(origin),
    chain_due: run.isChainDue ?? false,
    parameters: run.parameters,
    accepted_at: run.acceptedAt,
    due_at: run.dueAt,
    state: (history.at(-1) ?? history[0]).state,
    history,
    attempt: run.attempt,
    callback_url: run.callback,
  };
}
