import { messageOf, WaybillError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import type { Endpoint } from "../../gateway/mirror.ts";
import type { ServerSettings } from "../../spec/server-settings.ts";

/** One of several servers on the same database and the same data folder. */
export interface Replica {
  /** Tells its own files from the others'. */
  readonly name: string;
}

/** Null: the only server of its data folder. Throws SETTINGS_INVALID. */
export function replicaOf(environment: NodeJS.ProcessEnv): Replica | null {
  const name = environment["WAYBILL_REPLICA"] ?? "";
  if (name === "") return null;
  if (!isName(name)) {
    throw invalid(
      `WAYBILL_REPLICA is "${name}", but must be lower-case letters, digits and dashes, such as a pod's name`,
    );
  }
  if ((environment["DATABASE_URL"] ?? "") === "") {
    throw invalid("WAYBILL_REPLICA is set, but several servers need one PostgreSQL of their own: set DATABASE_URL");
  }
  return { name };
}

const loopback = "127.0.0.1";

/** Where this server listens for gateways: on this machine alone, unless those of other machines are to reach it. */
export function listenFor(environment: NodeJS.ProcessEnv): Endpoint & { readonly isReachable: boolean } {
  const text = environment["WAYBILL_ADVERTISE"] ?? "";
  if (text === "") return { hostname: loopback, port: 0, isReachable: false };
  const { hostname = "", port = "" } = /^(?<hostname>\[[\da-f:]+\]|[\w.-]+):(?<port>\d+)$/i.exec(text)?.groups ?? {};
  if (hostname === "" || Number(port) < 1 || Number(port) > 65_535) {
    throw invalid(`WAYBILL_ADVERTISE is "${text}", but must be this server's own address, such as 10.0.0.7:8081`);
  }
  return { hostname: hostname.replaceAll(/[[\]]/g, ""), port: Number(port), isReachable: true };
}

export const notListening = (cause: unknown): WaybillError =>
  invalid(`WAYBILL_ADVERTISE must be an address of this server's own, with a free port: ${messageOf(cause)}`);

/**
 * The targets that files may name. Where gateways of other machines are to reach what runs, that is not this machine.
 * Throws SETTINGS_INVALID where none is left to be the default.
 */
export function targetsFor({ targets, defaultTarget }: ServerSettings, environment: NodeJS.ProcessEnv) {
  const names = Object.keys(targets);
  if (!listenFor(environment).isReachable) return names;
  if (targets[defaultTarget]?.kind === "local") {
    throw invalid(
      `defaultTarget is "${defaultTarget}", which runs programs on one machine, but WAYBILL_ADVERTISE is set, by which ` +
        "servers on several machines work together: set defaultTarget to a target of the kind kubernetes",
    );
  }
  return names.filter((name) => targets[name]?.kind !== "local");
}

const invalid = (message: string): WaybillError => new WaybillError("SETTINGS_INVALID", message);
