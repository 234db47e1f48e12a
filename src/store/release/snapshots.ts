import { commitSha } from "../../core/names.ts";
import type { RecordedSnapshot, ReleaseStore, SnapshotRow } from "../../release/store.ts";
import type { Database } from "../database.ts";

export function snapshotQueries(db: Database) {
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
    async failures({ repository, environment }) {
      const rows = await db
        .selectFrom("snapshot_failures")
        .select(["number", "deployment"])
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .orderBy("deployment")
        .execute();
      const byNumber = Map.groupBy(rows, ({ number }) => number);
      return new Map([...byNumber].map(([number, group]) => [number, group.map(({ deployment }) => deployment)]));
    },
  } satisfies Partial<ReleaseStore>;
}

function pick(row: Omit<SnapshotRow, "changes" | "isDeleted">) {
  const { number, tag, sha, commit, at, actor, reason, reverts, only, keeps, kind, branch, subject, author } = row;
  return {
    number,
    tag,
    sha,
    commit,
    at,
    actor,
    reason,
    reverts,
    only,
    keeps: [...keeps],
    kind,
    branch,
    subject,
    author,
  };
}
