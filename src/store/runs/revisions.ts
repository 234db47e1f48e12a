import { createHash } from "node:crypto";
import type { Selectable } from "kysely";
import { WaybillError } from "../../core/errors.ts";
import type { Revision } from "../../runs/run.ts";
import type { RunAndRevision } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { runOf } from "./row.ts";
import type { RunsTable } from "./tables.ts";

/** What runs run, written once for all runs of the same: the same for a day's runs of a job. */
export interface RevisionBook {
  digestOf(revision: Revision): string;
  isWritten(revision: Revision): boolean;
  /** Writes those that are not. */
  write(db: Database, revisions: readonly Revision[]): Promise<void>;
  /** Those that were written have come to stay: had their transaction failed, none of them would be there. */
  keep(revisions: readonly Revision[]): void;
  /** Reads those that are not known: what a digest names never changes. */
  named(db: Database, digests: readonly string[]): Promise<(digest: string) => Revision>;
}

// Of a few kilobytes each.
const mostKnown = 2_000;

export function makeRevisionBook(): RevisionBook {
  const written = new Set<string>();
  const known = new Map<string, Revision>();
  const digestOf = rememberedDigest();

  function learn(digest: string, { workload, snapshot, commit }: Revision): void {
    known.set(digest, { workload, snapshot, commit });
    const [oldest] = known.keys();
    if (known.size > mostKnown && oldest !== undefined) known.delete(oldest);
  }

  return {
    digestOf,
    isWritten: (revision) => written.has(digestOf(revision)),
    async write(db, revisions) {
      const found = new Map(revisions.map((revision) => [digestOf(revision), revision]));
      const rows = [...found].flatMap(([digest, { workload, snapshot, commit }]) =>
        written.has(digest) ? [] : [{ digest, workload: JSON.stringify(workload), snapshot, commit }],
      );
      if (rows.length === 0) return;
      await db
        .insertInto("run_revisions")
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    keep(revisions) {
      for (const revision of revisions) {
        const digest = digestOf(revision);
        if (!written.has(digest)) learn(digest, revision);
        written.add(digest);
      }
    },
    async named(db, digests) {
      const found = new Map(digests.map((digest) => [digest, known.get(digest)]));
      const unknown = [...found].flatMap(([digest, revision]) => (revision ? [] : [digest]));
      const read = unknown.length === 0 ? [] : await readRevisions(db, unknown);
      for (const { digest, ...revision } of read) {
        learn(digest, revision);
        found.set(digest, revision);
      }
      return (digest) => {
        const revision = found.get(digest);
        if (revision) return revision;
        throw new WaybillError("BUG", `what runs run has no row ${digest}`);
      };
    },
  };
}

/** Rows as runs, and what they run. */
export async function withRevisions(
  db: Database,
  book: Pick<RevisionBook, "named">,
  rows: readonly Selectable<RunsTable>[],
): Promise<readonly RunAndRevision[]> {
  const named = await book.named(
    db,
    rows.map(({ revision }) => revision),
  );
  return rows.map((row) => {
    const revision = named(row.revision);
    const { snapshot, commit } = revision;
    return { run: runOf({ ...row, snapshot, commit }), revision };
  });
}

const readRevisions = (db: Database, digests: readonly string[]) =>
  db.selectFrom("run_revisions").selectAll().where("digest", "in", digests).execute();

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
