import { sql } from "kysely";
import { WaybillError } from "../core/errors.ts";
import type { StackName } from "../core/stack.ts";
import { scopeOf, type StateStore, type UntypedDeployment } from "../engine/state.ts";
import type { Database } from "./database.ts";

export interface StackSchema {
  stacks: StackTable;
}

interface StackTable {
  repository: string;
  environment: string;
  deployment: string;
  serial: number;
  state: string;
  saved_at: Date;
}

/** Pulumi state in PostgreSQL. Every save names its serial, so that a second process cannot write over the first. */
export function makeStackStore(db: Database): StateStore {
  return {
    load: async (stack) => {
      const row = await db.selectFrom("stacks").select(["serial", "state"]).where(matching(stack)).executeTakeFirst();
      return row ? { serial: row.serial, state: JSON.parse(row.state) as UntypedDeployment } : null;
    },
    save: async (stack, { serial, state }) => {
      const { repository, environment, deployment } = stack;
      const { numAffectedRows } = await sql`
        insert into stacks (repository, environment, deployment, serial, state)
        values (${repository}, ${environment}, ${deployment}, ${serial}, ${JSON.stringify(state)})
        on conflict (repository, environment, deployment)
        do update set serial = excluded.serial, state = excluded.state, saved_at = now()
        where stacks.serial = excluded.serial - 1
      `.execute(db);
      if (numAffectedRows !== 1n) throw conflict(stack, serial);
    },
    remove: async (stack) => {
      await db.deleteFrom("stacks").where(matching(stack)).execute();
    },
    list: () =>
      db
        .selectFrom("stacks")
        .select(["repository", "environment", "deployment"])
        .orderBy("repository")
        .orderBy("environment")
        .orderBy("deployment")
        .execute(),
  };
}

/** Rows of one stack, of any table that names it so; of which one is to be said where there are several. */
export function matching({ repository, environment, deployment }: StackName, table?: string) {
  const columns = ["repository", "environment", "deployment"].map((name) =>
    sql.ref(table === undefined ? name : `${table}.${name}`),
  );
  return sql<boolean>`(${sql.join(columns)}) = (${repository}, ${environment}, ${deployment})`;
}

const conflict = (stack: StackName, serial: number): WaybillError =>
  new WaybillError(
    "STATE_CONFLICT",
    `the state of ${scopeOf(stack)} was saved by another process: save ${serial} does not follow what is stored`,
  );
