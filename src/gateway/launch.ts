import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PublicOrigin } from "../access/origin.ts";
import { asWaybillError, messageOf, WaybillError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Traffic } from "../targets/route.ts";
import type { Quiet } from "../targets/sleep/keeper.ts";
import { call, makeTraffic, statusOf, type News } from "./control/client.ts";
import { settleSilence } from "./control/silence.ts";
import { spawnGateway } from "./control/spawn.ts";
import {
  gatewayLogFile,
  readStates,
  removeState,
  writeSettings,
  type ClusterReach,
  type GatewaySettings,
  type GatewayState,
} from "./control/state-file.ts";
import type { Endpoint } from "./mirror.ts";

export interface GatewayHandle {
  readonly traffic: Traffic & Quiet & News;
  pid(): number;
  /** Resolves once what is for the server itself is sent to `endpoint`; throws GATEWAY_UNAVAILABLE after `timeoutMs`. */
  leads(endpoint: Endpoint, timeoutMs?: number): Promise<void>;
  /** Leaves the gateway running: it outlives the server. */
  release(): Promise<void>;
  /** Ends the gateway, too: requests under way have `drainMs` to finish. */
  stop(drainMs?: number): Promise<void>;
}

export interface GatewayOptions {
  readonly dataFolder: string;
  readonly port: number;
  readonly databaseUrl: string;
  readonly version: string;
  readonly log: Log;
  /** The address to bind, `127.0.0.1` for this machine alone. Default: every address of the machine. */
  readonly host?: string;
  /** Default: it is asked by the server of its data folder alone. */
  readonly isOneOfSeveral?: boolean;
  /** Default: none. */
  readonly clusters?: Readonly<Record<string, ClusterReach>>;
  /** Default: `http` and `localhost:PORT`. */
  readonly origin?: PublicOrigin;
}

export const defaultOrigin = (port: number): PublicOrigin => ({ scheme: "http", domain: `localhost:${port}` });

const watchMs = 1_000;
// A hung gateway is found after so many looks, and given up when its patience is over, too.
const looksToAsk = 5;
const takeoverTimeoutMs = 40_000;
const defaultDrainMs = 2_000;
const stopTimeoutMs = 8_000;
const leadTimeoutMs = 15_000;
const leadCheckMs = 50;

/** In a checkout this file is TypeScript, in the package JavaScript; the entry beside it is the same. */
const entry = fileURLToPath(
  new URL(`../serve-gateway${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url),
);

/**
 * Makes sure that a gateway of this version serves the port: adopts the one that runs, has one of another version hand
 * its socket over, or starts one. Then keeps watch, and starts it again should it end.
 */
export async function ensureGateway(given: GatewayOptions): Promise<GatewayHandle> {
  // The gateway works in another folder than this process.
  const options = { ...given, dataFolder: resolve(given.dataFolder) };
  const { dataFolder, log } = options;
  let state = await ensureOnce(options);
  const watch = new AbortController();
  const watching = keepWatch();

  async function keepWatch(): Promise<void> {
    for (let looks = 1; !watch.signal.aborted; looks += 1) {
      await sleep(watchMs, undefined, { signal: watch.signal, ref: false }).catch(() => undefined);
      const isToBeAsked = looks % looksToAsk === 0;
      if (watch.signal.aborted || (isAlive(state.pid) && (!isToBeAsked || (await isOfUse(state, options))))) continue;
      if (watch.signal.aborted) return;
      log.error({ pid: state.pid }, "the gateway ended; starting another");
      try {
        state = await ensureOnce(options);
      } catch (error) {
        log.error({ error: messageOf(error) }, "the gateway could not be started again");
      }
    }
  }

  async function release(): Promise<void> {
    watch.abort();
    await watching;
  }

  return {
    traffic: makeTraffic({ dataFolder, log }),
    pid: () => state.pid,
    leads: (endpoint, timeoutMs = leadTimeoutMs) => untilLeading(() => state, { dataFolder, endpoint, timeoutMs }),
    release,
    async stop(drainMs) {
      await release();
      await stopGateways(dataFolder, drainMs);
    },
  };
}

/** False for one that hung, and has been ended for it. */
async function isOfUse(state: GatewayState, { dataFolder, log }: GatewayOptions): Promise<boolean> {
  if ((await statusOf(state)) !== null) return true;
  try {
    await settleSilence(state, dataFolder, log);
  } catch (error) {
    log.warn({ pid: state.pid, error: messageOf(error) }, "the gateway does not answer its control channel");
  }
  return isAlive(state.pid);
}

interface Lead {
  readonly dataFolder: string;
  readonly endpoint: Endpoint;
  readonly timeoutMs: number;
}

/** The gateway hears of the server by way of the database. */
async function untilLeading(current: () => GatewayState, { dataFolder, endpoint, timeoutMs }: Lead): Promise<void> {
  const endsAtMs = Date.now() + timeoutMs;
  while (Date.now() < endsAtMs) {
    const to = (await statusOf(current()))?.leadsTo;
    if (to?.hostname === endpoint.hostname && to.port === endpoint.port) return;
    await sleep(leadCheckMs);
  }
  const { pid } = current();
  throw new WaybillError(
    "GATEWAY_UNAVAILABLE",
    `the gateway (process ${pid}) has not heard of this server for ${timeoutMs / 1_000} s, so that no page, push or ` +
      `command would reach it. It hears by way of the database: see ${gatewayLogFile(dataFolder)}. Deployments are ` +
      `left as they are. Start again, or end process ${pid} first, to have another gateway started`,
  );
}

/** Ends every gateway of the data folder. */
export async function stopGateways(dataFolder: string, drainMs?: number): Promise<void> {
  await Promise.all((await liveGateways(dataFolder)).map((state) => stopGateway(dataFolder, state, drainMs)));
}

async function ensureOnce(options: GatewayOptions): Promise<GatewayState> {
  try {
    return await ensureNow(options);
  } catch (error) {
    if (asWaybillError(error).code !== "SETTINGS_INVALID") throw error;
    // Whoever keeps watch over the one that ended may have been quicker, and has the port.
    const serving = await servingGateways(options);
    if (!serving.some(({ port }) => port === options.port)) throw error;
    return ensureNow(options);
  }
}

async function ensureNow(options: GatewayOptions): Promise<GatewayState> {
  const { dataFolder, port, host = null, databaseUrl, version, origin = defaultOrigin(port), log } = options;
  const { clusters = {}, isOneOfSeveral = false } = options;
  const settings = { dataFolder, version, port, host, origin, databaseUrl, clusters, isOneOfSeveral };
  const file = writeSettings(settings);
  const serving = await servingGateways(options);
  const [ours, ...others] = serving.toSorted((a, b) => Number(b.port === port) - Number(a.port === port));
  await Promise.all(others.map((state) => stopGateway(dataFolder, state)));
  if (ours !== undefined && isSame(ours, settings)) {
    await call(ours, "settings", { databaseUrl, clusters });
    log.info({ pid: ours.pid, port }, "gateway adopted");
    return ours;
  }
  const start = { execPath: process.execPath, entry, settingsFile: file, dataFolder };
  const hasSocket = ours?.port === port && ours.host === host;
  const pid = hasSocket ? await takeOver(ours, start, log) : await startAfter(ours, start);
  log.info({ pid, port, replaced: ours?.pid }, "gateway started");
  const state = readStates(dataFolder).find((one) => one.pid === pid);
  if (state === undefined) throw new WaybillError("GATEWAY_UNAVAILABLE", "the gateway left no note of how to reach it");
  return state;
}

interface Start {
  readonly execPath: string;
  readonly entry: string;
  readonly settingsFile: string;
  readonly dataFolder: string;
}

/** The old gateway starts the new one, for only it can hand over its socket: no connection is refused or lost. */
async function takeOver(old: GatewayState, start: Start, log: Log): Promise<number> {
  try {
    return (await call<{ pid: number }>(old, "takeover", start, { timeoutMs: takeoverTimeoutMs })).pid;
  } catch (error) {
    log.warn({ pid: old.pid, error: messageOf(error) }, "the running gateway did not hand over; replacing it");
    return startAfter(old, start);
  }
}

async function startAfter(old: GatewayState | undefined, start: Start): Promise<number> {
  if (old !== undefined) await stopGateway(start.dataFolder, old);
  return spawnGateway({ ...start, listener: null });
}

const isSame = (state: GatewayState, { version, port, host, origin }: GatewaySettings): boolean =>
  state.version === version &&
  state.port === port &&
  state.host === host &&
  state.origin.scheme === origin.scheme &&
  state.origin.domain === origin.domain;

/** Those that take requests. Where none does and some are silent, it is settled first what becomes of these. */
async function servingGateways({ dataFolder, log }: GatewayOptions): Promise<readonly GatewayState[]> {
  const find = async () => (await liveGateways(dataFolder)).filter((state) => !state.isDraining);
  const found = await find();
  const notes = readStates(dataFolder);
  if (found.length > 0 || notes.length === 0) return found;
  for (const state of notes) await settleSilence(state, dataFolder, log);
  return find();
}

async function liveGateways(dataFolder: string): Promise<readonly (GatewayState & { isDraining: boolean })[]> {
  const found = await Promise.all(
    readStates(dataFolder).map(async (state) => {
      const status = await statusOf(state);
      if (status !== null) return [{ ...state, isDraining: status.isDraining }];
      if (!isAlive(state.pid)) removeState(dataFolder, state.pid);
      return [];
    }),
  );
  return found.flat();
}

async function stopGateway(dataFolder: string, state: GatewayState, drainMs = defaultDrainMs): Promise<void> {
  await call(state, "stop", { drainMs }).catch(() => undefined);
  const endsAtMs = Date.now() + drainMs + stopTimeoutMs;
  while (isAlive(state.pid) && Date.now() < endsAtMs) await sleep(20);
  // It answered the handshake with this id a moment ago, so the id is still its own.
  if (isAlive(state.pid)) process.kill(state.pid, "SIGKILL");
  removeState(dataFolder, state.pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
