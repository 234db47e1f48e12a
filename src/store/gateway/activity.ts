import { sql } from "kysely";
import type { StackName } from "../../core/stack.ts";
import type { Database } from "../database.ts";

/** These deployments were used until now, by the database's clock. */
export async function recordActivity(db: Database, stacks: readonly StackName[]): Promise<void> {
  if (stacks.length === 0) return;
  await db
    .insertInto("activity")
    // In one order, so that two entrances cannot wait for each other's rows.
    .values(stacks.toSorted(byKey).map((stack) => ({ ...stack, wake_asked_at: null, used_at: sql<Date>`now()` })))
    .onConflict((conflict) =>
      conflict.columns(["repository", "environment", "deployment"]).doUpdateSet({ used_at: sql<Date>`now()` }),
    )
    .execute();
}

export async function askWake(db: Database, stack: StackName): Promise<void> {
  const now = sql<Date>`now()`;
  await db
    .insertInto("activity")
    .values({ ...stack, wake_asked_at: now })
    .onConflict((conflict) =>
      conflict.columns(["repository", "environment", "deployment"]).doUpdateSet({ wake_asked_at: now }),
    )
    .execute();
}

const byKey = (a: StackName, b: StackName): number =>
  a.repository.localeCompare(b.repository) ||
  a.environment.localeCompare(b.environment) ||
  a.deployment.localeCompare(b.deployment);
