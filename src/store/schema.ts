import type { Generated } from "kysely";
import type { ReleaseSchema } from "./release.ts";

/** Every table; each group's row types live beside its queries. */
export interface Schema extends ReleaseSchema {
  migrations: MigrationTable;
}

interface MigrationTable {
  name: string;
  at: Generated<Date>;
}
