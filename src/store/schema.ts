import type { Generated } from "kysely";

/** Every table; each group's row types live beside its queries. */
export interface Schema {
  migrations: MigrationTable;
}

interface MigrationTable {
  name: string;
  at: Generated<Date>;
}
