// The gateway's process: settings → database → gateway → listening. It outlives the server that started it.
import { isDeepStrictEqual } from "node:util";
import { pino } from "pino";
import type { Server as NetServer } from "node:net";
import { systemClock as clock } from "./core/clock.ts";
import { messageOf, WaybillError } from "./core/errors.ts";
import { makeAnswer } from "./gateway/control/question.ts";
import { listenForControl, makeDrained, makeQuiet, makeTold, type Action } from "./gateway/control/server.ts";
import { spawnGateway, type FromGateway, type ToGateway } from "./gateway/control/spawn.ts";
import { keepBounded } from "./gateway/control/own-log.ts";
import {
  accessLogFile,
  gatewayLogFile,
  readSettings,
  removeState,
  settingsVariable,
  writeState,
  type ClusterReach,
  type GatewaySettings,
} from "./gateway/control/state-file.ts";
import { makeGateway, type Gateway } from "./gateway/gateway.ts";
import type { Address } from "./gateway/listener.ts";
import type { Endpoints } from "./gateway/upstream/endpoints.ts";
import { makeLateEndpoints } from "./gateway/upstream/late-endpoints.ts";
import { startTimeOf } from "./targets/local/processes/process-table.ts";
import { makeGatewayDatabase } from "./store/gateway/connection.ts";

const firstLoadMs = 10_000;
const handedOverDrainMs = 10 * 60_000;
const stopDrainMs = 2_000;

const log = pino({ base: { pid: process.pid, room: "gateway" } });

async function main(): Promise<void> {
  const file = process.env[settingsVariable];
  if (file === undefined)
    throw new WaybillError("SETTINGS_INVALID", `${settingsVariable} must name the settings' file`);
  const settings = readSettings(file);
  keepBounded(gatewayLogFile(settings.dataFolder), log);
  const database = makeGatewayDatabase(settings.databaseUrl, log);
  let { clusters } = settings;
  const endpoints = makeLateEndpoints({ open: () => openEndpoints((target) => clusters[target]), log });
  const gateway = makeGateway({
    origin: settings.origin,
    accessLogFile: accessLogFile(settings.dataFolder),
    source: () => database.source(),
    endpoints,
    clock,
    log,
  });
  const actions = { drained: makeDrained(gateway), quiet: makeQuiet(gateway), told: makeTold(gateway) };
  const loaded = database.follow(gateway.mirror, settings.isOneOfSeveral ? makeAnswer(actions) : undefined);
  // Without a database it serves all the same: whoever asks is told to come back, and the port is not refused.
  await Promise.race([loaded, clock.sleep(firstLoadMs)]);
  await gateway.listen(await placeToListen(settings));
  const reach = (changed: GatewaySettings["clusters"]): void => {
    if (isDeepStrictEqual(changed, clusters)) return;
    clusters = changed;
    endpoints.reopen();
  };
  await serve(gateway, { settings, database, reach, actions });
  log.info({ port: settings.port, version: settings.version }, "gateway listening");
  say({ kind: "ready" });
  if (process.connected) process.disconnect();
}

/** What a cluster's client takes is loaded only where a route leads into a cluster. */
async function openEndpoints(reachOf: (target: string) => ClusterReach | undefined): Promise<Endpoints> {
  const [{ makeClusterEndpoints }, { openCluster }] = await Promise.all([
    import("./targets/kubernetes/endpoints.ts"),
    import("./targets/kubernetes/cluster/cluster.ts"),
  ]);
  return makeClusterEndpoints({
    async connect(target) {
      const reach = reachOf(target);
      if (reach) return openCluster(reach);
      throw new WaybillError("SETTINGS_INVALID", `target "${target}" is no cluster of the server's settings`);
    },
    serverOf: (target) => reachOf(target)?.server,
    clock,
    log,
  });
}

/** The port, or the socket that the gateway before this one hands over. */
async function placeToListen(address: Address): Promise<Address | NetServer> {
  if (!process.connected) return address;
  const told = new Promise<Address | NetServer>((resolve, reject) => {
    process.once("disconnect", () => reject(new Error("the process that started this gateway is gone")));
    process.once("message", (message: ToGateway, handle: unknown) => {
      resolve(message.kind === "take" ? (handle as NetServer) : address);
    });
  });
  say({ kind: "loaded" });
  return told;
}

function say(message: FromGateway): void {
  if (process.connected) process.send?.(message);
}

interface Serving {
  readonly settings: GatewaySettings;
  readonly database: ReturnType<typeof makeGatewayDatabase>;
  readonly reach: (clusters: GatewaySettings["clusters"]) => void;
  readonly actions: Readonly<Record<string, Action>>;
}

async function serve(gateway: Gateway, { settings, database, reach, actions }: Serving): Promise<void> {
  const { dataFolder, version, port, host, origin } = settings;
  let isEnding = false;

  async function end(drainMs: number): Promise<void> {
    if (isEnding) return;
    isEnding = true;
    await gateway.close(drainMs);
    removeState(dataFolder, process.pid);
    await database.close();
    process.exit(0);
  }

  const control = await listenForControl(
    {
      status: async () => ({
        pid: process.pid,
        version,
        isDraining: gateway.isDraining(),
        inFlight: gateway.inFlight.total(),
        leadsTo: gateway.mirror.endpoint(),
        parked: gateway.parked(),
      }),
      settings: async ({ databaseUrl, clusters }) => {
        database.moveTo(String(databaseUrl));
        reach(clusters as GatewaySettings["clusters"]);
        return {};
      },
      ...actions,
      takeover: async ({ execPath, entry, settingsFile }) => {
        const files = { execPath: String(execPath), entry: String(entry), settingsFile: String(settingsFile) };
        const pid = await spawnGateway({ ...files, dataFolder, listener: gateway.server });
        void end(handedOverDrainMs);
        return { pid };
      },
      stop: async ({ drainMs = stopDrainMs }) => {
        void end(Number(drainMs));
        return {};
      },
    },
    log,
  );
  writeState(dataFolder, {
    pid: process.pid,
    startedAt: startTimeOf(process.pid) ?? "",
    version,
    port,
    host,
    origin,
    controlPort: control.port,
    controlSecret: control.secret,
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => void end(settings.drainMs ?? stopDrainMs));
}

const started = main().catch((error: unknown) => {
  log.error({ error: messageOf(error) }, "the gateway cannot start");
  const { code, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  if (code === "EADDRINUSE" && port !== undefined) say({ kind: "port-taken", port });
  else say({ kind: "failed", message: messageOf(error) });
  process.exitCode = 1;
  setImmediate(() => process.exit());
});

/** It ends with its process. */
export const ended: Promise<never> = started.then(() => new Promise(() => undefined));
