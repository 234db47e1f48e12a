import type { Generated } from "kysely";
import { WaybillError } from "../core/errors.ts";
import { stackKey } from "../core/stack.ts";
import type { Endpoint, StateSource } from "../gateway/mirror.ts";
import type { AccessRule, Route, RouteTable, Upstream } from "../targets/route.ts";
import { readCredentials, recordUse } from "./gateway/credentials.ts";
import type { Database } from "./database.ts";

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
  updated_at: Generated<Date>;
}

interface EndpointRow {
  singleton: Generated<boolean>;
  hostname: string;
  port: number;
  updated_at: Generated<Date>;
}

export interface RouteStore extends RouteTable {
  /** Tells the gateway where the server itself listens. */
  setEndpoint(endpoint: Endpoint): Promise<void>;
  /** The hosts of one deployment, of one environment, or all. */
  list(filter?: { repository?: string; environment?: string; deployment?: string }): Promise<readonly Route[]>;
}

export function makeRouteStore(db: Database): RouteStore {
  return {
    async put({ host, stack, upstream, access }) {
      const result = await db
        .insertInto("routes")
        .values({ host, ...stack, upstream, access })
        .onConflict((conflict) =>
          conflict
            .column("host")
            .doUpdateSet({ deployment: stack.deployment, upstream, access, updated_at: new Date() })
            .where("routes.repository", "=", stack.repository)
            .where("routes.environment", "=", stack.environment),
        )
        .executeTakeFirst();
      if (result.numInsertedOrUpdatedRows === 0n) throw await hostTaken(db, host);
    },
    async restore({ host, stack, upstream, access }) {
      await db
        .insertInto("routes")
        .values({ host, ...stack, upstream, access })
        .onConflict((conflict) =>
          conflict
            .column("host")
            .doUpdateSet({ upstream, access, updated_at: new Date() })
            .where("routes.repository", "=", stack.repository)
            .where("routes.environment", "=", stack.environment)
            .where("routes.deployment", "=", stack.deployment),
        )
        .execute();
    },
    async remove(host, { repository, environment, deployment }) {
      await db
        .deleteFrom("routes")
        .where("host", "=", host)
        .where("repository", "=", repository)
        .where("environment", "=", environment)
        .where("deployment", "=", deployment)
        .execute();
    },
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

/** What the gateway reads. It opens a database that its server has brought up to date, and changes no table itself. */
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
}: Omit<RouteRows, "updated_at">): Route => ({
  host,
  stack: { repository, environment, deployment },
  upstream,
  access,
});
