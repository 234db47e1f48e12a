import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { Revision } from "../../runs/run.ts";
import type { NewRun, RunStore, ScheduleMark } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { runOf } from "./row.ts";
import type { RevisionsTable } from "./tables.ts";

// PostgreSQL takes 65,535 parameters a statement.
const chunkSize = 1_000;

export function acceptQueries(db: Database) {
  // The same for a day's runs of a job: it is written by the first of them.
  const written = new Set<string>();
  const digestOf = rememberedDigest();

  async function insert(transaction: Database, runs: readonly NewRun[]) {
    const revisions = new Map(runs.map(({ revision }) => [digestOf(revision), revision]));
    await writeRevisions(
      transaction,
      [...revisions].flatMap(([digest, revision]) => (written.has(digest) ? [] : [{ digest, ...revision }])),
    );
    const rows = await transaction
      .insertInto("runs")
      .values(runs.map((run) => rowOf(run, digestOf(run.revision))))
      .onConflict((conflict) =>
        conflict.columns(["repository", "environment", "job", "schedule", "schedule_time"]).doNothing(),
      )
      .returningAll()
      .execute();
    return rows.map((row) => {
      const { snapshot = null, commit = "" } = revisions.get(row.revision) ?? {};
      return runOf({ ...row, snapshot, commit });
    });
  }

  return {
    async accept(runs, marks = []) {
      const isOne =
        runs.length <= 1 && marks.length === 0 && runs.every(({ revision }) => written.has(digestOf(revision)));
      if (isOne) return runs.length === 0 ? [] : insert(db, runs);
      const accepted = await db.transaction().execute(async (transaction) => {
        const all = [];
        for (const chunk of chunksOf(runs)) all.push(...(await insert(transaction, chunk)));
        for (const chunk of chunksOf(marks)) await writeMarks(transaction, chunk);
        return all;
      });
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
  await db
    .insertInto("schedule_marks")
    .values(
      marks.map(({ stack: { repository, environment, deployment: job }, passed, ...mark }) => ({
        repository,
        environment,
        job,
        passed_after: passed?.after ?? null,
        passed_until: passed?.until ?? null,
        ...mark,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["repository", "environment", "job", "schedule"]).doUpdateSet({
        digest: sql<string>`excluded.digest`,
        until: sql<Date>`excluded.until`,
        passed_after: sql<Date | null>`excluded.passed_after`,
        passed_until: sql<Date | null>`excluded.passed_until`,
      }),
    )
    .execute();
}

function rowOf(run: NewRun, revision: string) {
  const { stack, origin, history } = run;
  const bySchedule = origin.by === "schedule";
  return {
    id: run.id,
    repository: stack.repository,
    environment: stack.environment,
    job: stack.deployment,
    name: run.name,
    revision,
    schedule: bySchedule ? origin.schedule : null,
    schedule_time: bySchedule ? origin.time : null,
    asked_by: bySchedule ? null : origin.name,
    rerun_of: bySchedule ? null : origin.rerunOf,
    parameters: JSON.stringify(run.parameters),
    accepted_at: run.acceptedAt,
    due_at: run.dueAt,
    state: (history.at(-1) ?? history[0]).state,
    history: JSON.stringify(history),
    attempt: run.attempt,
    callback_url: run.callback,
  };
}
