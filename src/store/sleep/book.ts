import { sql, type Generated } from "kysely";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { IdleRule, Sleep, Upstream } from "../../targets/route.ts";
import type { SleepBook, Sleepy } from "../../targets/sleep/keeper.ts";
import type { Database } from "../database.ts";
import { matching } from "../stacks.ts";

export interface ActivitySchema {
  activity: ActivityRow;
}

interface ActivityRow {
  repository: string;
  environment: string;
  deployment: string;
  used_at: Generated<Date>;
  wake_asked_at: Date | null;
}

/** The channel that says: somebody waits to be let in. */
export const sleepChannel = "waybill_sleep";

interface DueRow extends StackName {
  readonly upstream: Upstream;
  readonly idle: IdleRule | null;
  readonly sleep: Sleep | null;
  readonly wake_asked_at: Date | null;
}

/** Sleep is written into the routes of a deployment, all at once; PostgreSQL's clock says how long it was idle. */
export function makeSleepBook(db: Database): SleepBook {
  return {
    async due() {
      const rows = await dueRows(db);
      const stacks = Map.groupBy(rows, stackKey);
      return [...stacks.values()].map(sleepyOf);
    },
    fall: (stack) => fall(db, stack),
    async isAsked(stack) {
      const row = await db.selectFrom("activity").select("wake_asked_at").where(matching(stack)).executeTakeFirst();
      return (row?.wake_asked_at ?? null) !== null;
    },
    async settle(stack) {
      const { numUpdatedRows } = await ofStack(db, stack)
        .set({ sleep: sql<Sleep>`sleep || '{"stage": "asleep"}'` })
        .where(sql<boolean>`sleep ->> 'stage' = 'falling'`)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
    async rouse(stack) {
      await ofStack(db, stack)
        .set({ sleep: sql<Sleep>`sleep || '{"stage": "waking"}'` })
        .where("sleep", "is not", null)
        .execute();
    },
    fail: (stack, failure) =>
      db.transaction().execute(async (transaction) => {
        await clearAsk(transaction, stack);
        await ofStack(transaction, stack)
          .set({ sleep: sql<Sleep>`sleep || ${JSON.stringify({ stage: "asleep", failure })}::jsonb` })
          .where("sleep", "is not", null)
          .execute();
      }),
    awake: (stack) =>
      db.transaction().execute(async (transaction) => {
        await clearAsk(transaction, stack);
        await ofStack(transaction, stack)
          .set({ sleep: null, updated_at: sql<Date>`now()` })
          .where("sleep", "is not", null)
          .execute();
      }),
  };
}

const idleSince = sql<boolean>`now() - greatest(routes.updated_at, activity.used_at)
  > make_interval(secs => (routes.idle ->> 'afterSeconds')::float8)`;

const dueRows = (db: Database): Promise<readonly DueRow[]> =>
  db
    .selectFrom("routes")
    .leftJoin("activity", (join) =>
      join
        .onRef("activity.repository", "=", "routes.repository")
        .onRef("activity.environment", "=", "routes.environment")
        .onRef("activity.deployment", "=", "routes.deployment"),
    )
    .select(["routes.repository", "routes.environment", "routes.deployment"])
    .select(["routes.upstream", "routes.idle", "routes.sleep", "activity.wake_asked_at"])
    .where(
      sql<boolean>`case when routes.sleep is null then routes.idle is not null and ${idleSince}
        else routes.idle is null or activity.wake_asked_at is not null or routes.sleep ->> 'stage' <> 'asleep' end`,
    )
    .orderBy("routes.host")
    .execute();

// Of what may not sleep any more nothing is said: it is woken all the same.
const defaultStartSeconds = 120;

function sleepyOf(rows: readonly DueRow[]): Sleepy {
  const [first] = rows;
  const { repository = "", environment = "", deployment = "" } = first ?? {};
  return {
    stack: { repository, environment, deployment },
    upstreams: rows.map(({ upstream }) => upstream),
    startTimeoutSeconds: first?.idle?.startTimeoutSeconds ?? defaultStartSeconds,
    stage: first?.sleep?.stage ?? "idle",
    isAsked: rows.some((row) => row.wake_asked_at !== null),
    isBarred: rows.some(({ idle }) => idle === null),
    failure: first?.sleep?.failure ?? null,
  };
}

/** All routes or none: one that was used or written meanwhile keeps the deployment awake. */
function fall(db: Database, stack: StackName): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    await clearAsk(transaction, stack);
    const sleep: Sleep = { stage: "falling", since: new Date().toISOString() };
    const fallen = await ofStack(transaction, stack)
      .from("activity")
      .set({ sleep: sql<Sleep>`${JSON.stringify(sleep)}::jsonb` })
      .where(matching(stack, "activity"))
      .where("routes.sleep", "is", null)
      .where("routes.idle", "is not", null)
      .where(idleSince)
      .executeTakeFirst();
    const { count } = await transaction
      .selectFrom("routes")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where(matching(stack))
      .executeTakeFirstOrThrow();
    const isWhole = count > 0 && fallen.numUpdatedRows === BigInt(count);
    if (!isWhole) await ofStack(transaction, stack).set({ sleep: null }).execute();
    return isWhole;
  });
}

const ofStack = (db: Database, stack: StackName) => db.updateTable("routes").where(matching(stack, "routes"));

/** The row is there afterwards: who was never used has none. */
async function clearAsk(db: Database, stack: StackName): Promise<void> {
  await db
    .insertInto("activity")
    .values({ ...stack, used_at: new Date(0), wake_asked_at: null })
    .onConflict((conflict) =>
      conflict.columns(["repository", "environment", "deployment"]).doUpdateSet({ wake_asked_at: null }),
    )
    .execute();
}
