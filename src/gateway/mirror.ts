import type { Credential } from "../access/proof/credential.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { KnownRoute } from "../targets/route.ts";
import type { PodsUpstream } from "./upstream/endpoints.ts";

/** Where the server itself listens: on loopback, on another port after each start. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** A row that changed, to be read again. */
export interface Change {
  readonly table: "routes" | "server_endpoint" | "sessions" | "tokens" | "users";
  readonly key: string;
}

/** What the gateway reads from the database. Without keys: everything. */
export interface StateSource {
  routes(hosts?: readonly string[]): Promise<readonly KnownRoute[]>;
  credentials(hashes?: readonly string[]): Promise<readonly Credential[]>;
  endpoint(): Promise<Endpoint | null>;
  recordUse(hashes: readonly string[], at: Date, expiresAt: Date): Promise<void>;
  /** These deployments were used until now. */
  recordActivity(stacks: readonly StackName[]): Promise<void>;
  /** Has a sleeping deployment woken, by whichever server is there or comes back. */
  askWake(stack: StackName): Promise<void>;
}

/** All that requests are decided by, held in memory: it answers while the database is away, with what it last knew. */
export interface Mirror {
  /** False until everything was read once. */
  isLoaded(): boolean;
  route(host: string): KnownRoute | null;
  /** The routes of one deployment. */
  routesOf(stack: StackName): readonly KnownRoute[];
  endpoint(): Endpoint | null;
  credential(hash: string): Credential | null;
  /** Extends what is held, ahead of the database. */
  extend(hash: string, expiresAt: Date): void;
  /** Hosts whose requests go to this address. */
  hostsTo(upstream: Endpoint): readonly string[];
  /** The Services that some route leads to. */
  podServices(): readonly PodsUpstream[];
  /** Reads everything again: at the start, and whenever changes may have been missed. */
  load(): Promise<void>;
  /** Has the changed row read again, soon. */
  changed(change: Change): void;
  /** Reads these routes again and resolves once they are in force. */
  refreshRoutes(hosts: readonly string[]): Promise<void>;
  /**
   * Reads one credential that is not held: fresh ones arrive here before their notification does. All that are asked
   * for meanwhile share the next read, so that garbage costs one query at a time; null as well when too many wait.
   */
  ask(hash: string): Promise<Credential | null>;
  /** Calls back after each change of a route or a credential; answers how to stop. */
  onChange(callback: () => void): () => void;
}

const retryMs = 1_000;
const maxAsked = 200;

interface Held {
  isLoaded: boolean;
  routes: Map<string, KnownRoute>;
  credentials: Map<string, Credential>;
  endpoint: Endpoint | null;
  readonly watchers: Set<() => void>;
}

interface Parts {
  /** Where to read at this moment: the database may move. */
  readonly source: () => StateSource;
  readonly log: Log;
}

export function makeMirror(parts: Parts): Mirror {
  const held: Held = {
    isLoaded: false,
    routes: new Map(),
    credentials: new Map(),
    endpoint: null,
    watchers: new Set(),
  };
  return { ...lookups(held), ...readings(held, parts) };
}

function lookups(held: Held) {
  return {
    isLoaded: () => held.isLoaded,
    route: (host: string) => held.routes.get(host) ?? null,
    endpoint: () => held.endpoint,
    credential: (hash: string) => held.credentials.get(hash) ?? null,
    extend(hash: string, expiresAt: Date) {
      const credential = held.credentials.get(hash);
      if (credential) held.credentials.set(hash, { ...credential, expiresAt });
    },
    hostsTo: ({ hostname, port }: Endpoint) =>
      [...held.routes.values()]
        .filter(({ upstream }) => upstream.kind === "http" && upstream.hostname === hostname && upstream.port === port)
        .map(({ host }) => host),
    routesOf: (stack: StackName) =>
      [...held.routes.values()].filter((route) => stackKey(route.stack) === stackKey(stack)),
    podServices: () =>
      [...held.routes.values()].flatMap(({ upstream }) => (upstream.kind === "pods" ? [upstream] : [])),
    onChange(callback: () => void) {
      held.watchers.add(callback);
      return () => void held.watchers.delete(callback);
    },
  };
}

function readings(held: Held, { source, log }: Parts) {
  let pending: Change[] = [];
  let asked = new Set<string>();
  const inTurn = makeTurns();

  async function readPending(): Promise<void> {
    const changes = pending;
    pending = [];
    if (changes.length === 0) return;
    try {
      await readChanges(held, source(), changes);
    } catch (error) {
      log.warn({ error: messageOf(error) }, "changed rows could not be read; trying again");
      pending = [...changes, ...pending];
      setTimeout(() => void inTurn(readPending), retryMs).unref();
    }
  }

  async function readAsked(): Promise<void> {
    const hashes = [...asked];
    asked = new Set();
    if (hashes.length > 0) await readCredentials(held, source(), hashes);
  }

  return {
    load: () => inTurn(() => readAll(held, source())),
    changed(change: Change) {
      pending.push(change);
      void inTurn(readPending);
    },
    refreshRoutes: (hosts: readonly string[]) => inTurn(() => readRoutes(held, source(), hosts)),
    async ask(hash: string) {
      if (asked.size >= maxAsked) return null;
      asked.add(hash);
      await inTurn(readAsked);
      return held.credentials.get(hash) ?? null;
    },
  };
}

/** Reads follow one another, so that an older answer never overwrites a newer one. */
function makeTurns() {
  let tail: Promise<void> = Promise.resolve();
  return (work: () => Promise<void>): Promise<void> => {
    const done = tail.then(work);
    tail = done.catch(() => undefined);
    return done;
  };
}

async function readAll(held: Held, source: StateSource): Promise<void> {
  const [routes, credentials, endpoint] = await Promise.all([source.routes(), source.credentials(), source.endpoint()]);
  held.routes = new Map(routes.map((route) => [route.host, route]));
  held.credentials = new Map(credentials.map((credential) => [credential.hash, credential]));
  held.endpoint = endpoint;
  held.isLoaded = true;
  tellWatchers(held);
}

async function readChanges(held: Held, source: StateSource, changes: readonly Change[]): Promise<void> {
  const keysOf = (...tables: Change["table"][]): string[] => [
    ...new Set(changes.filter(({ table }) => tables.includes(table)).map(({ key }) => key)),
  ];
  const hosts = keysOf("routes");
  if (hosts.length > 0) await readRoutes(held, source, hosts);
  if (keysOf("server_endpoint").length > 0) held.endpoint = await source.endpoint();
  // Another role or group changes every credential of that user: rare enough to read all.
  if (keysOf("users").length > 0) {
    const credentials = await source.credentials();
    held.credentials = new Map(credentials.map((credential) => [credential.hash, credential]));
    tellWatchers(held);
    return;
  }
  const hashes = keysOf("sessions", "tokens");
  if (hashes.length > 0) await readCredentials(held, source, hashes);
}

async function readRoutes(held: Held, source: StateSource, hosts: readonly string[]): Promise<void> {
  const found = new Map((await source.routes(hosts)).map((route) => [route.host, route]));
  for (const host of hosts) {
    const route = found.get(host);
    if (route) held.routes.set(host, route);
    else held.routes.delete(host);
  }
  tellWatchers(held);
}

async function readCredentials(held: Held, source: StateSource, hashes: readonly string[]): Promise<void> {
  const found = new Map((await source.credentials(hashes)).map((credential) => [credential.hash, credential]));
  for (const hash of hashes) {
    const credential = found.get(hash);
    if (credential) held.credentials.set(hash, credential);
    else held.credentials.delete(hash);
  }
  tellWatchers(held);
}

function tellWatchers({ watchers }: Held): void {
  for (const watcher of watchers) watcher();
}
