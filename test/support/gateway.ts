import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { makeAccess, type Access } from "../../src/access/access.ts";
import type { AccessStore } from "../../src/access/account.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import type { StackName } from "../../src/core/stack.ts";
import { defaultOrigin, ensureGateway, type GatewayHandle, type GatewayOptions } from "../../src/gateway/launch.ts";
import { makeAccessStore } from "../../src/store/access.ts";
import { makeRouteStore, type RouteStore } from "../../src/store/routes.ts";
import type { AccessRule, Route } from "../../src/targets/route.ts";
import { testDatabase } from "./postgres.ts";
import { freePort } from "./server-process.ts";

export const signedIn: AccessRule = { visibility: "signed-in", viewers: [], public: [] };
export const open: AccessRule = { visibility: "public", viewers: [], public: [] };
export const stack: StackName = { repository: "shop", environment: "production", deployment: "ranker" };

/** A real gateway process with its own database, and what a test needs to speak to it. */
export interface GatewayUnderTest extends AsyncDisposable {
  readonly port: number;
  readonly dataFolder: string;
  readonly databaseUrl: string;
  readonly options: GatewayOptions;
  readonly handle: GatewayHandle;
  readonly routes: RouteStore;
  readonly access: Access;
  readonly store: AccessStore;
  /** Opens a server that ends with the test. */
  upstream(listener: RequestListener): Promise<Upstream>;
  route(change: Partial<Route> & { port?: number }): Promise<void>;
  ask(options: AskOptions): Promise<Answer>;
}

export interface Upstream {
  readonly server: Server;
  readonly port: number;
}

export interface AskOptions {
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

export const bootstrap = "bootstrap-token-for-tests-0123456789";

export async function startGateway(): Promise<GatewayUnderTest> {
  const database = await testDatabase();
  const dataFolder = mkdtempSync(join(tmpdir(), "waybill-gateway-"));
  const port = await freePort();
  const options: GatewayOptions = { dataFolder, port, databaseUrl: database.url, version: "1", log: silentLog };
  const routes = makeRouteStore(database.db);
  const origin = defaultOrigin(port);
  const store = makeAccessStore(database.db);
  const access = await makeAccess({
    store,
    clock: systemClock,
    log: silentLog,
    origin,
    bootstrapToken: new Secret(bootstrap),
  });
  const handle = await ensureGateway(options);
  const servers: Server[] = [];
  return {
    port,
    dataFolder,
    databaseUrl: database.url,
    options,
    handle,
    routes,
    access,
    store,
    async upstream(listener) {
      const server = createServer(listener);
      servers.push(server);
      return { server, port: await listen(server) };
    },
    async route({ port: upstreamPort = 1, ...change }) {
      const upstream = { kind: "http", hostname: "127.0.0.1", port: upstreamPort, protocol: "http" } as const;
      await routes.put({ host: "ranker", stack, upstream, access: open, ...change });
      // The notification is on its way: at the latest when it has been answered this often, it is in force.
      await sleep(50);
    },
    ask: (asking) => ask(port, asking),
    async [Symbol.asyncDispose]() {
      await handle.stop();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
      await database.close();
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

export async function ask(port: number, options: AskOptions): Promise<Answer> {
  const response = await openAnswer(port, options);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body: await text(response),
  };
}

/** The answer's head, its body still to be read. */
export function openAnswer(port: number, options: AskOptions): Promise<IncomingMessage> {
  const { host = `ranker.localhost:${port}`, path = "/", method = "GET", headers = {}, body } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, path, method, headers: { host, ...headers }, agent: false });
    outgoing.once("error", reject);
    outgoing.once("response", resolve);
    outgoing.end(body);
  });
}

export function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const endsAtMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > endsAtMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(10);
  }
}
