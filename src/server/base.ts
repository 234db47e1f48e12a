import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join, resolve } from "node:path";
import { bareUrl, type PublicOrigin } from "../access/origin.ts";
import { makeCipher, type Cipher } from "../core/cipher.ts";
import { systemClock } from "../core/clock.ts";
import type { LeaseBook } from "../core/lease.ts";
import type { Log } from "../core/log.ts";
import { packageRoot } from "../core/package-root.ts";
import type { Spawn } from "../core/spawn.ts";
import { makeAskedTraffic } from "../gateway/control/question.ts";
import type { ClusterReach } from "../gateway/control/state-file.ts";
import { defaultOrigin, ensureGateway, type GatewayHandle } from "../gateway/launch.ts";
import { makeGit, type Git } from "../git/git.ts";
import type { RemoteKeys } from "../release/connect.ts";
import type { ServerSettings } from "../spec/server-settings.ts";
import { openDatabase, type Database } from "../store/database.ts";
import { startEmbeddedPostgres } from "../store/embedded-postgres.ts";
import { makeLeaseBook, newHolder } from "../store/replicas/lease-book.ts";
import { makeQuestionBook } from "../store/replicas/questions.ts";
import { makeRemoteKeys } from "../store/remote-keys.ts";
import { serverIdentity } from "../targets/kubernetes/names.ts";
import type { Closers } from "./closers.ts";
import type { DataFolder } from "./data-folder.ts";
import type { ServeOptions } from "./options.ts";
import { isDead, placeOfProcess } from "./replicas/place.ts";
import type { Replica } from "./replicas/replica.ts";
import { takeAlone } from "./replicas/turn.ts";
import { drainTimeoutMs } from "./settings.ts";

/** What every room stands on: the database, the repositories, the entrance. */
export interface Base {
  readonly db: Database;
  readonly databaseUrl: string;
  /** Which of several servers acts. */
  readonly leases: LeaseBook;
  readonly cipher: Cipher;
  readonly git: Git;
  readonly remoteKeys: RemoteKeys;
  readonly gateway: GatewayHandle;
  /** Where that one takes requests, as this process reaches it. */
  readonly gatewayUrl: string;
  /** What all gateways know of requests under way. */
  readonly traffic: GatewayHandle["traffic"];
  readonly origin: PublicOrigin;
  readonly url: string;
}

interface BaseParts {
  readonly options: ServeOptions;
  readonly settings: ServerSettings;
  readonly folder: DataFolder;
  /** Null: the only server of its database. */
  readonly replica: Replica | null;
  readonly log: Log;
  readonly spawn: Spawn;
  readonly closers: Closers;
}

export async function openBase(parts: BaseParts): Promise<Base> {
  const { options, settings, folder, log, spawn, closers } = parts;
  const drainMs = drainTimeoutMs(process.env);
  const { url: databaseUrl, isOurs } = await findDatabase(folder, closers);
  const holder = newHolder();
  const database = await openDatabase(databaseUrl, { name: holder });
  closers.add(() => database.close());
  // A database within the folder had no other server than the folder had.
  const leases = makeLeaseBook({
    url: databaseUrl,
    holder,
    place: placeOfProcess(),
    isDead: isOurs ? () => true : isDead,
  });
  closers.add(() => leases.close());
  if (parts.replica === null) await takeAlone({ book: leases, clock: systemClock, log });
  const origin = originOf(settings, options.port);
  const cipher = makeCipher(folder.key);
  const remoteKeys = makeRemoteKeys(database.db, cipher, systemClock);
  const git = makeGit({
    folder: folder.repositories,
    log,
    spawn,
    credentialsFor: (name) => remoteKeys.credentials(name),
    // For tests only: a file URL reads what the server can read.
    allowFileUrls: process.env["WAYBILL_ALLOW_FILE_URLS"] === "true",
  });
  closers.add(() => git.close());
  const gateway = await ensureGateway({
    dataFolder: folder.own,
    port: options.port,
    databaseUrl,
    version: packageVersion(),
    log,
    origin,
    clusters: clustersOf(settings, serverIdentity(folder.key)),
    isOneOfSeveral: parts.replica !== null,
    ...listenHost(settings),
  });
  closers.add(() => (options.stopWorkloads ? gateway.stop(drainMs) : gateway.release()));
  const { db } = database;
  const traffic =
    parts.replica === null
      ? gateway.traffic
      : makeAskedTraffic({ book: makeQuestionBook(db), clock: systemClock, log });
  const gatewayUrl = gatewayUrlOf(settings, options.port);
  return {
    db,
    databaseUrl,
    leases,
    cipher,
    git,
    remoteKeys,
    gateway,
    gatewayUrl,
    traffic,
    origin,
    url: bareUrl(origin),
  };
}

/** `DATABASE_URL`, or a PostgreSQL of our own in the data folder. */
async function findDatabase(folder: DataFolder, closers: Closers): Promise<{ url: string; isOurs: boolean }> {
  const given = process.env["DATABASE_URL"];
  if (given !== undefined && given !== "") return { url: given, isOurs: false };
  const embedded = await startEmbeddedPostgres(folder.postgres);
  closers.add(() => embedded.stop());
  return { url: embedded.url, isOurs: true };
}

/** A domain of one's own is reached over TLS, which ends before this server; `localhost` is not. */
export function originOf({ domain }: ServerSettings, port: number): PublicOrigin {
  if (domain === undefined) return defaultOrigin(port);
  const isLocal = /^localhost(?::\d+)?$/.test(domain);
  return { scheme: isLocal ? "http" : "https", domain };
}

/** The gateway runs elsewhere in the file system, with next to nothing of this process's environment. */
export function clustersOf({ targets }: ServerSettings, server: string | null): Record<string, ClusterReach> {
  const reaches = Object.entries(targets).flatMap(([name, target]) => {
    if (target.kind !== "kubernetes") return [];
    const { kubeconfig = process.env["KUBECONFIG"], context } = target;
    const isPath = kubeconfig !== undefined && !kubeconfig.includes("\n");
    const reach: ClusterReach = {
      ...(server !== null && { server }),
      ...(kubeconfig !== undefined && { kubeconfig: isPath ? resolve(kubeconfig) : kubeconfig }),
      ...(context !== undefined && { context }),
    };
    return [[name, reach] as const];
  });
  return Object.fromEntries(reaches);
}

/** `localhost` is for this machine alone; a container, whose port is mapped, sets WAYBILL_HOST=0.0.0.0. */
export function listenHost({ domain }: ServerSettings): { host?: string } {
  const given = process.env["WAYBILL_HOST"];
  if (given !== undefined && given !== "") return { host: given };
  return domain === undefined ? { host: "127.0.0.1" } : {};
}

/** An address that stands for all of a machine is that of the machine itself for who is on it. */
export function gatewayUrlOf(settings: ServerSettings, port: number): string {
  const { host = "0.0.0.0" } = listenHost(settings);
  if (host === "0.0.0.0") return `http://127.0.0.1:${port}`;
  if (host === "::") return `http://[::1]:${port}`;
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}
