import { sql, type ColumnType, type Generated, type Selectable } from "kysely";
import { WaybillError } from "../core/errors.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { Endpoint, StateSource } from "../gateway/mirror.ts";
import type {
  AccessRule,
  IdleRule,
  KnownRoute,
  Parked,
  Route,
  RouteParking,
  RouteTable,
  Sleep,
  Upstream,
} from "../targets/route.ts";
import { askWake, recordActivity } from "./gateway/activity.ts";
import { readCredentials, recordUse } from "./gateway/credentials.ts";
import type { Database } from "./database.ts";
import { matching } from "./stacks.ts";

export interface RouteSchema {
  routes: RouteRows;
  server_endpoint: EndpointRow;
}

interface RouteRows {
  host: string;
  repository: string;
  environment: string;
  deployment: string;
  upstream: Upstream;
  access: AccessRule;
  idle: ColumnType<IdleRule | null, IdleRule | null | undefined>;
  sleep: ColumnType<Sleep | null, Sleep | null | undefined>;
  parked: ColumnType<Parked | null, Parked | null | undefined>;
  updated_at: Generated<Date>;
}

interface EndpointRow {
  singleton: Generated<boolean>;
  hostname: string;
  port: number;
  updated_at: Generated<Date>;
}

export interface RouteStore extends RouteTable, RouteParking {
  /** Tells the gateway where the server itself listens. */
  setEndpoint(endpoint: Endpoint): Promise<void>;
  /** The hosts of one deployment, of one environment, or all. */
  list(filter?: { repository?: string; environment?: string; deployment?: string }): Promise<readonly KnownRoute[]>;
}

export function makeRouteStore(db: Database): RouteStore {
  return {
    async put(route) {
      const { host, stack } = route;
      const result = await db
        .insertInto("routes")
        .values(inserted(route))
        .onConflict((conflict) =>
          conflict
            .column("host")
            .doUpdateSet(updated(route))
            .where("routes.repository", "=", stack.repository)
            .where("routes.environment", "=", stack.environment),
        )
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows === 0n) throw await hostTaken(db, host);
    },
    async restore(route) {
      const { stack } = route;
      await db
        .insertInto("routes")
        .values(inserted(route))
        .onConflict((conflict) => conflict.column("host").doUpdateSet(updated(route)).where(matching(stack, "routes")))
        .execute();
    },
    isAwaited: (host, stack) => isAwaited(db, host, stack),
    async remove(host, stack) {
      await db.deleteFrom("routes").where("host", "=", host).where(matching(stack)).execute();
      await forgetActivity(db, stack);
    },
    park: (stack, forSeconds) => park(db, stack, forSeconds),
    async setEndpoint({ hostname, port }) {
      await db
        .insertInto("server_endpoint")
        .values({ hostname, port })
        .onConflict((conflict) => conflict.column("singleton").doUpdateSet({ hostname, port, updated_at: new Date() }))
        .execute();
    },
    async list(filter = {}) {
      let query = db.selectFrom("routes").selectAll().orderBy("host");
      if (filter.repository !== undefined) query = query.where("repository", "=", filter.repository);
      if (filter.environment !== undefined) query = query.where("environment", "=", filter.environment);
      if (filter.deployment !== undefined) query = query.where("deployment", "=", filter.deployment);
      return (await query.execute()).map(routeOf);
    },
  };
}

async function isAwaited(db: Database, host: string, stack: StackName): Promise<boolean> {
  const found = await db
    .selectFrom("routes as route")
    .innerJoin("deployments as heir", (join) =>
      join.onRef("heir.repository", "=", "route.repository").onRef("heir.environment", "=", "route.environment"),
    )
    .select("heir.name")
    .where("route.host", "=", host)
    .where(matching(stack, "route"))
    .where("heir.name", "<>", stack.deployment)
    .where("heir.workload", "is not", null)
    .where("heir.blocked", "is", null)
    .where(sql<boolean>`${host} = any(heir.hosts)`)
    .where(sql<boolean>`heir.desired_digest is distinct from heir.applied_digest`)
    .where(sql<boolean>`heir.desired_digest is distinct from heir.failed_digest`)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

async function park(db: Database, stack: StackName, forSeconds: number | null): Promise<void> {
  const parked = forSeconds === null ? null : { since: new Date().toISOString(), forSeconds };
  await db
    .updateTable("routes")
    .set({ parked: parked === null ? null : sql<Parked>`${JSON.stringify(parked)}::jsonb` })
    .where(matching(stack))
    .execute();
}

/** A further address of what sleeps leads to what sleeps. */
const inserted = ({ host, stack, upstream, access, idle }: Route) => ({
  host,
  ...stack,
  upstream,
  access,
  idle: idle ?? null,
  sleep: sql<Sleep | null>`(select sleep from routes as other
    where ${matching(stack, "other")} and other.upstream = ${JSON.stringify(upstream)}::jsonb
      and other.sleep is not null limit 1)`,
});

/** What is led elsewhere has answered there: it is awake. */
const updated = ({ stack, upstream, access, idle }: Route) => ({
  deployment: stack.deployment,
  upstream,
  access,
  idle: idle ?? null,
  sleep: sql<Sleep | null>`case when routes.upstream = excluded.upstream then routes.sleep end`,
  parked: sql<Parked | null>`case when routes.upstream = excluded.upstream then routes.parked end`,
  updated_at: sql<Date>`now()`,
});

/** Nothing is left to remember of a deployment without addresses. */
const forgetActivity = (db: Database, stack: StackName) =>
  db
    .deleteFrom("activity")
    .where(matching(stack, "activity"))
    .where((by) => by.not(by.exists(by.selectFrom("routes").select("host").where(matching(stack, "routes")))))
    .execute();

/** What the gateway reads. It opens a database that its server has brought up to date, and adds only what was used. */
export function makeGatewaySource(db: Database): StateSource {
  return {
    async routes(hosts) {
      let query = db.selectFrom("routes").selectAll();
      if (hosts) query = query.where("host", "in", hosts);
      return (await query.execute()).map(routeOf);
    },
    credentials: (hashes) => readCredentials(db, hashes),
    async endpoint() {
      return (await db.selectFrom("server_endpoint").select(["hostname", "port"]).executeTakeFirst()) ?? null;
    },
    recordActivity: (stacks) => recordActivity(db, stacks),
    askWake: (stack) => askWake(db, stack),
    recordUse: (hashes, at, expiresAt) => recordUse(db, hashes, { at, expiresAt }),
  };
}

async function hostTaken(db: Database, host: string): Promise<WaybillError> {
  const holder = await db.selectFrom("routes").selectAll().where("host", "=", host).executeTakeFirst();
  const who = holder ? stackKey(holder) : "another deployment";
  return new WaybillError("HOST_TAKEN", `the host name ${host} belongs to ${who}: set another \`subdomain\``);
}

const routeOf = ({
  host,
  repository,
  environment,
  deployment,
  upstream,
  access,
  idle,
  sleep,
  parked,
}: Omit<Selectable<RouteRows>, "updated_at">): KnownRoute => ({
  host,
  stack: { repository, environment, deployment },
  upstream,
  access,
  ...(idle && { idle }),
  ...(sleep && { sleep }),
  ...(parked && { parked }),
});
