import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PublicOrigin } from "../../access/origin.ts";

/** How to reach one gateway process: written by itself into the data folder, readable by its owner alone. */
export interface GatewayState {
  readonly pid: number;
  /** Tells it from a later process of the same id. */
  readonly startedAt: string;
  readonly version: string;
  /** The public port, and the address that it is bound to; null for every address of the machine. */
  readonly port: number;
  readonly host: string | null;
  readonly origin: PublicOrigin;
  readonly controlPort: number;
  /** Proves to the gateway that a control call comes from somebody who may read this file. */
  readonly controlSecret: string;
}

/** What a gateway process is started with. */
export interface GatewaySettings {
  readonly dataFolder: string;
  readonly version: string;
  readonly port: number;
  readonly host: string | null;
  readonly origin: PublicOrigin;
  readonly databaseUrl: string;
  /** How the clusters that routes lead into are reached, by the names of their targets. */
  readonly clusters: Readonly<Record<string, ClusterReach>>;
  /** Whether there are other servers, who do not find it by its data folder. */
  readonly isOneOfSeveral: boolean;
  /** How long requests under way have to finish when it is told to stop by a signal; absent: a moment. */
  readonly drainMs?: number;
}

export interface ClusterReach {
  /** A path or a kubeconfig's text; absent: as Kubernetes' own clients find one. */
  readonly kubeconfig?: string;
  readonly context?: string;
  /** What the server is called in it; absent in what older servers have written. */
  readonly server?: string;
}

/** The environment variable that names the settings' file. */
export const settingsVariable = "WAYBILL_GATEWAY_SETTINGS";

export const gatewayFolder = (dataFolder: string): string => join(dataFolder, "gateway");
export const settingsFile = (dataFolder: string): string => join(gatewayFolder(dataFolder), "settings.json");
export const accessLogFile = (dataFolder: string): string => join(gatewayFolder(dataFolder), "access.log");
export const gatewayLogFile = (dataFolder: string): string => join(gatewayFolder(dataFolder), "gateway.log");

const stateName = /^process-(\d+)\.json$/;
const stateFile = (dataFolder: string, pid: number): string => join(gatewayFolder(dataFolder), `process-${pid}.json`);

export function writeSettings(settings: GatewaySettings): string {
  mkdirSync(gatewayFolder(settings.dataFolder), { recursive: true, mode: 0o700 });
  const file = settingsFile(settings.dataFolder);
  writePrivate(file, settings);
  return file;
}

export const readSettings = (file: string): GatewaySettings =>
  JSON.parse(readFileSync(file, "utf8")) as GatewaySettings;

export const writeState = (dataFolder: string, state: GatewayState): void =>
  writePrivate(stateFile(dataFolder, state.pid), state);

export const removeState = (dataFolder: string, pid: number): void =>
  rmSync(stateFile(dataFolder, pid), { force: true });

/** The gateways that left a note of themselves; whether they live is for a handshake to tell. */
export function readStates(dataFolder: string): readonly GatewayState[] {
  let names: string[];
  try {
    names = readdirSync(gatewayFolder(dataFolder));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const pid = Number(stateName.exec(name)?.[1] ?? 0);
    if (pid === 0) return [];
    try {
      return [JSON.parse(readFileSync(stateFile(dataFolder, pid), "utf8")) as GatewayState];
    } catch {
      // Removed meanwhile, or cut short by a full disk: nobody can be reached by it.
      return [];
    }
  });
}

/** In one piece or not at all, for another process may be reading. */
function writePrivate(file: string, value: unknown): void {
  const partial = `${file}.${process.pid}.partial`;
  writeFileSync(partial, JSON.stringify(value), { mode: 0o600 });
  renameSync(partial, file);
}
