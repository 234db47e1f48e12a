import { sql, type QueryCreator, type Selectable } from "kysely";
import { commitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { EnvironmentRef } from "../../release/release.ts";
import type { DeploymentProgress, DeploymentRow, DesiredRow, Following, ReleaseStore } from "../../release/store.ts";
import type { DeploymentState } from "../../release/views.ts";
import type { Workload } from "../../release/workload.ts";
import type { Database } from "../database.ts";
import { matching } from "../stacks.ts";
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
    desire: (environment, rows, base) => desire(db, environment, { rows, base }),
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
      if (gone.numDeletedRows === 0n) return;
      await db.deleteFrom("overrides").where(sameStack(stack)).execute();
      await db.deleteFrom("deploy_steps").where(matching(stack)).execute();
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

interface Desired {
  readonly rows: readonly DesiredRow[];
  readonly base: Following;
}

/** One statement, since every push waits for it. */
async function desire(
  db: Database,
  { repository, environment }: EnvironmentRef,
  { rows, base }: Desired,
): Promise<readonly DeploymentRow[]> {
  const { snapshot, commit, exceptions } = base;
  const written = await sql<Selectable<DeploymentsTable>>`
    with wanted as (
      select * from jsonb_to_recordset(${JSON.stringify(rows.map(columnsOf))}) as wanted (name text, kind text,
        workload jsonb, hosts text[], desired_digest text, snapshot integer, commit text, blocked text, state text)
    ), following as (
      update deployments set snapshot = ${snapshot}, commit = ${commit}
      where repository = ${repository} and environment = ${environment} and snapshot <> ${snapshot}
        and name <> all (${exceptions}::text[]) and name not in (select name from wanted)
    ), going as (
      update deployments set workload = null, desired_digest = wanted.desired_digest, snapshot = wanted.snapshot,
        commit = wanted.commit, blocked = wanted.blocked, failed_digest = null
      from wanted
      where repository = ${repository} and environment = ${environment} and deployments.name = wanted.name
        and wanted.workload is null
    )
    insert into deployments (repository, environment, name, kind, workload, hosts, desired_digest, snapshot, commit,
      blocked, state, reason)
    select ${repository}, ${environment}, name, kind, workload, hosts, desired_digest, snapshot, commit,
      blocked, state, coalesce(blocked, '')
    from wanted where workload is not null
    on conflict (repository, environment, name) do update set kind = excluded.kind, workload = excluded.workload,
      hosts = excluded.hosts, desired_digest = excluded.desired_digest, snapshot = excluded.snapshot,
      commit = excluded.commit, blocked = excluded.blocked, state = excluded.state, reason = excluded.reason,
      failed_digest = null, updated_at = now()
    returning deployments.*
  `.execute(db);
  return written.rows.map(deploymentOf);
}

const columnsOf = ({ stack, workload, hosts, desiredDigest, snapshot, commit, blocked }: DesiredRow) => ({
  name: stack.deployment,
  kind: workload?.spec.kind,
  workload,
  hosts,
  desired_digest: desiredDigest,
  snapshot,
  commit,
  blocked,
  state: workload && blocked === null ? stateAtFirst(workload) : "waiting",
});

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
