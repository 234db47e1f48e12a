import type { Selectable } from "kysely";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { PauseView } from "../../release/views.ts";
import type { Workload } from "../../release/workload.ts";
import type { JobWorkload } from "../../runs/run.ts";
import type { Job, RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import type { DeploymentsTable } from "../release/tables.ts";

type Applied = Pick<
  Selectable<DeploymentsTable>,
  | "repository"
  | "environment"
  | "name"
  | "applied_workload"
  | "desired_digest"
  | "applied_digest"
  | "snapshot"
  | "commit"
>;

/** Jobs are deployments: what was applied last is what runs, and what is to be removed is a job no more. */
export function jobQueries(db: Database) {
  async function jobs(stack?: StackName): Promise<readonly Job[]> {
    let query = db
      .selectFrom("deployments")
      .select(["repository", "environment", "name", "applied_workload", "desired_digest", "applied_digest"])
      .select(["snapshot", "commit"])
      .where("kind", "=", "job")
      .where("workload", "is not", null)
      .where("applied_workload", "is not", null);
    let overrides = db.selectFrom("overrides").selectAll();
    let pauses = db.selectFrom("schedule_pauses").selectAll();
    if (stack) {
      const { repository, environment, deployment } = stack;
      query = query.where("repository", "=", repository).where("environment", "=", environment);
      query = query.where("name", "=", deployment);
      overrides = overrides.where("repository", "=", repository).where("environment", "=", environment);
      pauses = pauses.where("repository", "=", repository).where("environment", "=", environment);
    }
    const [rows, overrideRows, pauseRows] = await Promise.all([query.execute(), overrides.execute(), pauses.execute()]);
    const pauseOf = new Map(overrideRows.map((row) => [stackKey({ ...row, deployment: row.name }), row.pause]));
    const pausesOf = Map.groupBy(pauseRows, (row) => stackKey({ ...row, deployment: row.job }));
    return rows.flatMap((row) => {
      const key = stackKey({ ...row, deployment: row.name });
      const schedulePauses = new Map((pausesOf.get(key) ?? []).map(({ schedule, pause }) => [schedule, pause]));
      return jobOf(row, { pause: pauseOf.get(key) ?? null, schedulePauses });
    });
  }
  return {
    jobs: () => jobs(),
    async job(stack) {
      return (await jobs(stack))[0] ?? null;
    },
    async saveSchedulePause({ repository, environment, deployment: job }, schedule, pause) {
      const key = { repository, environment, job, schedule };
      if (pause === null) {
        await db
          .deleteFrom("schedule_pauses")
          .where("repository", "=", repository)
          .where("environment", "=", environment)
          .where("job", "=", job)
          .where("schedule", "=", schedule)
          .execute();
        return;
      }
      const values = { pause: JSON.stringify(pause) };
      await db
        .insertInto("schedule_pauses")
        .values({ ...key, ...values })
        .onConflict((conflict) =>
          conflict.columns(["repository", "environment", "job", "schedule"]).doUpdateSet(values),
        )
        .execute();
    },
  } satisfies Partial<RunStore>;
}

interface Pauses {
  readonly pause: PauseView | null;
  readonly schedulePauses: ReadonlyMap<string, PauseView>;
}

function jobOf(row: Applied, pauses: Pauses): readonly Job[] {
  const workload = row.applied_workload;
  if (!workload || !isJob(workload)) return [];
  const isNewest = row.desired_digest === row.applied_digest;
  const stack = { repository: row.repository, environment: row.environment, deployment: row.name };
  return [{ stack, workload, snapshot: isNewest ? row.snapshot : null, commit: isNewest ? row.commit : "", ...pauses }];
}

const isJob = (workload: Workload): workload is JobWorkload => workload.spec.kind === "job";
