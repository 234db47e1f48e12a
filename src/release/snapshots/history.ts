import type { EnvironmentRef } from "../release.ts";
import type { ReleaseStore, SnapshotRow } from "../store.ts";

/** The snapshots of one environment during one look: read once, written through. */
export interface History {
  /** Every snapshot ever seen, the deleted ones too, in the order of their numbers. */
  all(): readonly SnapshotRow[];
  /** Without the deleted ones: what counts. */
  present(): readonly SnapshotRow[];
  /** It counts from now on; resolves when it is stored. */
  save(row: SnapshotRow): Promise<void>;
}

type SnapshotStore = Pick<ReleaseStore, "snapshots" | "saveSnapshot">;

export const openHistory = async (store: SnapshotStore, environment: EnvironmentRef): Promise<History> =>
  makeHistory(store, environment, await store.snapshots(environment));

/** The histories of all environments of a repository, by one query; an unknown environment's is empty. */
export async function openHistories(
  store: SnapshotStore,
  repository: string,
): Promise<(environment: string) => History> {
  const rows = Map.groupBy(await store.snapshots({ repository }), ({ environment }) => environment);
  return (environment) => makeHistory(store, { repository, environment }, rows.get(environment) ?? []);
}

function makeHistory(store: SnapshotStore, environment: EnvironmentRef, known: readonly SnapshotRow[]): History {
  let rows = known;
  return {
    all: () => rows,
    present: () => presentOf(rows),
    save(row) {
      const others = rows.filter(({ number }) => number !== row.number);
      rows = [...others, row].toSorted((a, b) => a.number - b.number);
      return store.saveSnapshot(environment, row);
    },
  };
}

export const presentOf = (rows: readonly SnapshotRow[]): readonly SnapshotRow[] =>
  rows.filter(({ isDeleted }) => !isDeleted);
