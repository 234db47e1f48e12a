import { createHash } from "node:crypto";
import type { Revision } from "../../runs/run.ts";
import type { Database } from "../database.ts";

/** What runs run, written once for all runs of the same: the same for a day's runs of a job. */
export interface RevisionBook {
  digestOf(revision: Revision): string;
  isWritten(revision: Revision): boolean;
  /** Writes those that are not. */
  write(db: Database, revisions: readonly Revision[]): Promise<void>;
  /** Those that were written have come to stay: had their transaction failed, none of them would be there. */
  keep(revisions: readonly Revision[]): void;
}

export function makeRevisionBook(): RevisionBook {
  const written = new Set<string>();
  const digestOf = rememberedDigest();
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
      for (const revision of revisions) written.add(digestOf(revision));
    },
  };
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
