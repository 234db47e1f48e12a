/** A step of the database's shape: plain SQL, run once, in this order, never edited after a release. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [];
