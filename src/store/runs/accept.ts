import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Revision, Run } from "../../runs/run.ts";
import type { NewRun, RunStore, ScheduleMark } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { causeOf } from "./row.ts";
import type { Precedence } from "./precedence.ts";
import type { RevisionsTable, RunsTable } from "./tables.ts";

// PostgreSQL takes 65,535 parameters a statement.
const chunkSize = 1_000;

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

export function acceptQueries(db: Database, { first }: Pick<Precedence, "first">) {
  // The same for a day's runs of a job: it is written by the first of them.
  const written = new Set<string>();
  const digestOf = rememberedDigest();

  async function insert(transaction: Database, runs: readonly NewRun[]): Promise<readonly Run[]> {
    const revisions = new Map(runs.map(({ revision }) => [digestOf(revision), revision]));
    await writeRevisions(transaction, unwritten(revisions));
    const given = runs.map((run) => rowOf(run, digestOf(run.revision)));
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

  const unwritten = (revisions: ReadonlyMap<string, Revision>) =>
    [...revisions].flatMap(([digest, revision]) => (written.has(digest) ? [] : [{ digest, ...revision }]));

  return {
    async know(revisions) {
      for (const chunk of chunksOf(revisions)) {
        const found = new Map(chunk.map((revision) => [digestOf(revision), revision]));
        await writeRevisions(db, unwritten(found));
        for (const digest of found.keys()) written.add(digest);
      }
    },
    async accept(runs, marks = []) {
      const isOne =
        runs.length <= 1 && marks.length === 0 && runs.every(({ revision }) => written.has(digestOf(revision)));
      if (isOne) return runs.length === 0 ? [] : insert(db, runs);
      const accepted = await first(() =>
        db.transaction().execute(async (transaction) => {
          const all: Run[] = [];
          for (const chunk of chunksOf(runs)) all.push(...(await insert(transaction, chunk)));
          for (const chunk of chunksOf(marks)) await writeMarks(transaction, chunk);
          return all;
        }),
      );
      // Only now: had the transaction failed, none of them would be there.
      for (const { revision } of runs) written.add(digestOf(revision));
      return accepted;
    },
  } satisfies Partial<RunStore>;
}

function rememberedDigest(): (revision: Revision) => string {
  const digests = new WeakMap<Revision, string>();
  return (revision) => {
    const { workload, snapshot, commit } = revision;
    const digest =
      digests.get(revision) ??
      createHash("sha256").update(JSON.stringify({ workload, snapshot, commit })).digest("hex");
    digests.set(revision, digest);
    return digest;
  };
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

async function writeRevisions(db: Database, revisions: readonly (Revision & Pick<RevisionsTable, "digest">)[]) {
  if (revisions.length === 0) return;
  await db
    .insertInto("run_revisions")
    .values(
      revisions.map(({ digest, workload, snapshot, commit }) => ({
        digest,
        workload: JSON.stringify(workload),
        snapshot,
        commit,
      })),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

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

/** As reading it back would answer it. */
function acceptedRun(run: NewRun, ordinal: number): Run {
  const { id, stack, name, origin, parameters, acceptedAt, dueAt, attempt, history, revision, callback } = run;
  return {
    id,
    stack,
    name,
    origin,
    parameters,
    acceptedAt,
    dueAt,
    attempt,
    history,
    ordinal,
    revision: { snapshot: revision.snapshot, commit: revision.commit },
    status: history.at(-1) ?? history[0],
    retries: 0,
    startedAt: null,
    endedAt: null,
    outcome: null,
    chainNote: "",
    callback: callback === null ? null : { url: callback, settled: null, reason: "" },
  };
}
