import { sql, type ColumnType, type Generated, type Selectable } from "kysely";
import { commitSha } from "../core/names.ts";
import type { StackName } from "../core/stack.ts";
import type { Change } from "../release/plan.ts";
import type { EnvironmentRef } from "../release/release.ts";
import type { SnapshotKind } from "../release/snapshots/snapshot.ts";
import type {
  DeploymentRow,
  DesiredRow,
  EnvironmentRow,
  RecordedSnapshot,
  ReleaseStore,
  SnapshotRow,
} from "../release/store.ts";
import type { DeploymentState, PauseView } from "../release/views.ts";
import type { Workload } from "../release/workload.ts";
import type { Database } from "./database.ts";

export interface ReleaseSchema {
  repositories: RepositoriesTable;
  environments: EnvironmentsTable;
  snapshots: SnapshotsTable;
  deployments: DeploymentsTable;
  overrides: OverridesTable;
}

interface RepositoriesTable {
  name: string;
  url: string | null;
  default_branch: string;
  problem: string | null;
  created_at: Generated<Date>;
}

interface EnvironmentsTable {
  repository: string;
  environment: string;
  branch: string | null;
  observed_head: string | null;
  waiting_commit: string | null;
  waiting_reason: string | null;
}

interface SnapshotsTable {
  repository: string;
  environment: string;
  number: number;
  tag: string;
  sha: string;
  commit: string;
  at: Date;
  actor: string;
  reason: string;
  reverts: string | null;
  only: string | null;
  kind: SnapshotKind;
  branch: string | null;
  subject: string;
  author: string;
  changes: Json<readonly Change[]>;
  is_deleted: boolean;
}

interface DeploymentsTable {
  repository: string;
  environment: string;
  name: string;
  kind: DeploymentRow["kind"];
  workload: Json<Workload | null>;
  desired_digest: string;
  applied_digest: string | null;
  failed_digest: string | null;
  hosts: string[];
  snapshot: number;
  commit: string;
  blocked: string | null;
  state: DeploymentState;
  reason: string;
  url: string | null;
  updated_at: Generated<Date>;
}

interface OverridesTable {
  repository: string;
  environment: string;
  name: string;
  pause: Json<PauseView | null>;
  restart: string | null;
}

/** Read as the value, written as its JSON text. */
type Json<Value> = ColumnType<Value, string | null, string | null>;

export function makeReleaseStore(db: Database): ReleaseStore {
  return {
    ...repositoryQueries(db),
    ...snapshotQueries(db),
    ...deploymentQueries(db),
    ...applyQueries(db),
    ...overrideQueries(db),
  };
}

function repositoryQueries(db: Database) {
  return {
    async repositories() {
      const rows = await db.selectFrom("repositories").selectAll().orderBy("name").execute();
      return rows.map(({ name, url, default_branch, problem }) => ({
        name,
        url,
        defaultBranch: default_branch,
        problem,
      }));
    },
    async saveRepository({ name, url, defaultBranch, problem }) {
      const values = { url, default_branch: defaultBranch, problem };
      await db
        .insertInto("repositories")
        .values({ name, ...values })
        .onConflict((conflict) => conflict.column("name").doUpdateSet(values))
        .execute();
    },
    async removeRepository(name) {
      await db.deleteFrom("repositories").where("name", "=", name).execute();
    },
    async environments(repository) {
      let query = db.selectFrom("environments").selectAll().orderBy("repository").orderBy("environment");
      if (repository !== undefined) query = query.where("repository", "=", repository);
      return (await query.execute()).map(environmentOf);
    },
    async saveEnvironment({ repository, environment, branch, observedHead, waiting }) {
      const values = {
        branch,
        observed_head: observedHead,
        waiting_commit: waiting?.commit ?? null,
        waiting_reason: waiting?.reason ?? null,
      };
      await db
        .insertInto("environments")
        .values({ repository, environment, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment"]).doUpdateSet(values))
        .execute();
    },
  } satisfies Partial<ReleaseStore>;
}

function environmentOf(row: Selectable<EnvironmentsTable>): EnvironmentRow {
  return {
    repository: row.repository,
    environment: row.environment,
    branch: row.branch,
    observedHead: row.observed_head === null ? null : commitSha(row.observed_head),
    waiting:
      row.waiting_commit === null ? null : { commit: commitSha(row.waiting_commit), reason: row.waiting_reason ?? "" },
  };
}

function snapshotQueries(db: Database) {
  return {
    async snapshots({ repository, environment }) {
      const rows = await db
        .selectFrom("snapshots")
        .selectAll()
        .where("repository", "=", repository)
        .$if(environment !== undefined, (query) => query.where("environment", "=", environment ?? ""))
        .orderBy("number")
        .execute();
      return rows.map((row): RecordedSnapshot => ({
        ...row,
        commit: commitSha(row.commit),
        isDeleted: row.is_deleted,
      }));
    },
    async saveSnapshot({ repository, environment }, { isDeleted, changes, ...row }) {
      const values = { ...pick(row), changes: JSON.stringify(changes), is_deleted: isDeleted };
      await db
        .insertInto("snapshots")
        .values({ repository, environment, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment", "number"]).doUpdateSet(values))
        .execute();
    },
  } satisfies Partial<ReleaseStore>;
}

function pick(row: Omit<SnapshotRow, "changes" | "isDeleted">) {
  const { number, tag, sha, commit, at, actor, reason, reverts, only, kind, branch, subject, author } = row;
  return { number, tag, sha, commit, at, actor, reason, reverts, only, kind, branch, subject, author };
}

function deploymentQueries(db: Database) {
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

function applyQueries(db: Database) {
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
      const outcome = isApplied ? { applied_digest: digest, failed_digest: null } : { failed_digest: digest };
      const result = await db
        .updateTable("deployments")
        .set({ ...outcome, state, reason, url, updated_at: sql<Date>`now()` })
        .where(sameStack(stack))
        .where("desired_digest", "=", digest)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
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
    state: blocked === null ? ("starting" as const) : ("waiting" as const),
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

function deploymentOf(row: Selectable<DeploymentsTable>): DeploymentRow {
  return {
    stack: { repository: row.repository, environment: row.environment, deployment: row.name },
    kind: row.kind,
    workload: row.workload,
    desiredDigest: row.desired_digest,
    appliedDigest: row.applied_digest,
    failedDigest: row.failed_digest,
    hosts: row.hosts,
    snapshot: row.snapshot,
    commit: commitSha(row.commit),
    blocked: row.blocked,
    state: row.state,
    reason: row.reason,
    url: row.url,
    updatedAt: row.updated_at,
  };
}

function overrideQueries(db: Database) {
  return {
    async overrides({ repository, environment }: EnvironmentRef) {
      const rows = await db
        .selectFrom("overrides")
        .selectAll()
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .execute();
      return new Map(rows.map(({ name, pause, restart }) => [name, { pause, restart }]));
    },
    async saveOverride({ repository, environment, deployment }, { pause, restart }) {
      const values = { pause: pause && JSON.stringify(pause), restart };
      await db
        .insertInto("overrides")
        .values({ repository, environment, name: deployment, ...values })
        .onConflict((conflict) => conflict.columns(["repository", "environment", "name"]).doUpdateSet(values))
        .execute();
    },
  } satisfies Partial<ReleaseStore>;
}
