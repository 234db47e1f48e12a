import { sql, type QueryCreator, type Selectable } from "kysely";
import { commitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { DeploymentProgress, DeploymentRow, DesiredRow, ReleaseStore } from "../../release/store.ts";
import type { DeploymentState } from "../../release/views.ts";
import type { Workload } from "../../release/workload.ts";
import type { Database } from "../database.ts";
import type { DeploymentsTable, ReleaseSchema, SnapshotFailuresTable } from "./tables.ts";

export function deploymentQueries(db: Database) {
  const filtered = (filter: Partial<StackName>) => {
    let query = db.selectFrom("deployments").selectAll().orderBy("repository").orderBy("environment").orderBy("name");
    if (filter.repository !== undefined) query = query.where("repository", "=", filter.repository);
    if (filter.environment !== undefined) query = query.where("environment", "=", filter.environment);
    if (filter.deployment !== undefined) query = query.where("name", "=", filter.deployment);
    return query;
  };
  return {
    async deployments(filter = {}) {
      return (await filtered(filter).execute()).map(deploymentOf);
    },
    async deployment(stack) {
      const row = await filtered(stack).executeTakeFirst();
      return row ? deploymentOf(row) : null;
    },
    async progress({ repository, environment }) {
      const rows = await db
        .selectFrom("deployments")
        .select(progressColumns)
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .orderBy("name")
        .execute();
      return rows.map(progressOf);
    },
    async holders(hosts, { repository, environment }) {
      if (hosts.length === 0) return new Map<string, StackName>();
      const rows = await db
        .selectFrom("deployments")
        .select(["repository", "environment", "name", "hosts"])
        .where(sql<boolean>`hosts && ${[...hosts]}::text[]`)
        .where(sql<boolean>`(repository, environment) <> (${repository}, ${environment})`)
        .execute();
      const wanted = new Set(hosts);
      return new Map(
        rows.flatMap((row) =>
          row.hosts
            .filter((host) => wanted.has(host))
            .map((host) => [
              host,
              { repository: row.repository, environment: row.environment, deployment: row.name } satisfies StackName,
            ]),
        ),
      );
    },
  } satisfies Partial<ReleaseStore>;
}

export function applyQueries(db: Database) {
  return {
    async desire(environment, rows, { snapshot, commit, exceptions }) {
      await db.transaction().execute(async (transaction) => {
        await transaction
          .updateTable("deployments")
          .set({ snapshot, commit })
          .where("repository", "=", environment.repository)
          .where("environment", "=", environment.environment)
          .where("snapshot", "!=", snapshot)
          .$if(exceptions.length > 0, (query) => query.where("name", "not in", exceptions))
          .execute();
        for (const row of rows) await desireOne(transaction, row);
      });
    },
    async recordApplied(stack, { digest, state, reason, url, isApplied }) {
      const outcome = isApplied
        ? { applied_digest: digest, applied_workload: sql<string | null>`workload`, failed_digest: null }
        : { failed_digest: digest };
      const recorded = db.with("recorded", (query) =>
        query
          .updateTable("deployments")
          .set({ ...outcome, state, reason, url, updated_at: sql<Date>`now()` })
          .where(sameStack(stack))
          .where("desired_digest", "=", digest)
          .returning(["repository", "environment", "snapshot as number", "name as deployment"]),
      );
      const noted = isApplied ? withoutFailure(recorded) : withFailure(recorded);
      return (await noted.selectFrom("recorded").select("number").execute()).length > 0;
    },
    async setState(stack, state, reason) {
      await db
        .updateTable("deployments")
        .set({ state, reason, updated_at: sql<Date>`now()` })
        .where(sameStack(stack))
        .execute();
    },
    async forget(stack) {
      const gone = await db
        .deleteFrom("deployments")
        .where(sameStack(stack))
        .where("workload", "is", null)
        .executeTakeFirst();
      if (gone.numDeletedRows > 0n) await db.deleteFrom("overrides").where(sameStack(stack)).execute();
    },
  } satisfies Partial<ReleaseStore>;
}

type Recorded = QueryCreator<ReleaseSchema & { recorded: SnapshotFailuresTable }>;

const failureKey = ["repository", "environment", "number", "deployment"] as const;

const withFailure = (recorded: Recorded): Recorded =>
  recorded.with("noted", (query) =>
    query
      .insertInto("snapshot_failures")
      .columns(failureKey)
      .expression((from) => from.selectFrom("recorded").select(failureKey))
      .onConflict((conflict) => conflict.doNothing()),
  );

const withoutFailure = (recorded: Recorded): Recorded =>
  recorded.with("noted", (query) =>
    query
      .deleteFrom("snapshot_failures")
      .using("recorded")
      .whereRef("snapshot_failures.repository", "=", "recorded.repository")
      .whereRef("snapshot_failures.environment", "=", "recorded.environment")
      .whereRef("snapshot_failures.number", "=", "recorded.number")
      .whereRef("snapshot_failures.deployment", "=", "recorded.deployment"),
  );

const stateAtFirst = ({ spec }: Workload): DeploymentState => (spec.state === "running" ? "starting" : spec.state);

async function desireOne(db: Database, row: DesiredRow): Promise<void> {
  const { stack, workload, hosts, blocked } = row;
  const desired = { desired_digest: row.desiredDigest, snapshot: row.snapshot, commit: row.commit, blocked };
  if (!workload) {
    await db
      .updateTable("deployments")
      .set({ ...desired, workload: null, failed_digest: null })
      .where(sameStack(stack))
      .execute();
    return;
  }
  const values = {
    ...desired,
    workload: JSON.stringify(workload),
    kind: workload.spec.kind,
    hosts: [...hosts],
    state: blocked === null ? stateAtFirst(workload) : ("waiting" as const),
    reason: blocked ?? "",
    failed_digest: null,
    updated_at: sql<Date>`now()`,
  };
  await db
    .insertInto("deployments")
    .values({ repository: stack.repository, environment: stack.environment, name: stack.deployment, ...values })
    .onConflict((conflict) => conflict.columns(["repository", "environment", "name"]).doUpdateSet(values))
    .execute();
}

function sameStack({ repository, environment, deployment }: StackName) {
  return sql<boolean>`(repository, environment, name) = (${repository}, ${environment}, ${deployment})`;
}

const progressColumns = [
  "repository",
  "environment",
  "name",
  "desired_digest",
  "applied_digest",
  "failed_digest",
  "state",
  "blocked",
] as const satisfies readonly (keyof DeploymentsTable)[];

function progressOf(row: Pick<Selectable<DeploymentsTable>, (typeof progressColumns)[number]>): DeploymentProgress {
  return {
    stack: { repository: row.repository, environment: row.environment, deployment: row.name },
    desiredDigest: row.desired_digest,
    appliedDigest: row.applied_digest,
    failedDigest: row.failed_digest,
    state: row.state,
    blocked: row.blocked,
  };
}

function deploymentOf(row: Selectable<DeploymentsTable>): DeploymentRow {
  return {
    ...progressOf(row),
    kind: row.kind,
    workload: row.workload,
    appliedWorkload: row.applied_workload,
    hosts: row.hosts,
    snapshot: row.snapshot,
    commit: commitSha(row.commit),
    reason: row.reason,
    url: row.url,
    updatedAt: row.updated_at,
  };
}
