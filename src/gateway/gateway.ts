import type { Server as NetServer } from "node:net";
import { makeCookies } from "../access/proof/cookie.ts";
import type { PublicOrigin } from "../access/origin.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { makeAccessLog } from "./access-log.ts";
import { makeVigil } from "./decision/vigil.ts";
import { makeEntrance } from "./entrance.ts";
import { makeIdentification } from "./identification.ts";
import { makeInFlight, type InFlight } from "./in-flight.ts";
import { makeJudge } from "./judge.ts";
import { makeListener, type Address } from "./listener.ts";
import { makeMirror, type Mirror, type StateSource } from "./mirror.ts";
import { makeHttpForwarder } from "./upstream/http.ts";
import { makeUseLog } from "./use-log.ts";

export interface Gateway {
  readonly mirror: Mirror;
  readonly inFlight: InFlight;
  readonly server: NetServer;
  listen(from: Address | NetServer): Promise<void>;
  isDraining(): boolean;
  /** Takes nothing new, finishes what is under way within `timeoutMs`, and closes all that it opened. */
  close(timeoutMs: number): Promise<void>;
}

interface Parts {
  readonly origin: PublicOrigin;
  readonly accessLogFile: string;
  /** Where state is read from at this moment: the database's address may change. */
  readonly source: () => StateSource;
  readonly clock: Clock;
  readonly log: Log;
}

const useFlushMs = 5_000;
const poolSweepMs = 30_000;

/** The data path, put together. */
export function makeGateway({ origin, accessLogFile, source, clock, log }: Parts): Gateway {
  const cookies = makeCookies(origin);
  const mirror = makeMirror({ source, log });
  const inFlight = makeInFlight();
  const vigil = makeVigil(mirror);
  const forwarder = makeHttpForwarder();
  const accessLog = makeAccessLog(accessLogFile, log);
  const useLog = makeUseLog({ mirror, source, clock, log });
  const identification = makeIdentification({ mirror, useLog, cookies, clock, log });
  const judge = makeJudge({ mirror, identification, cookies, origin });
  const listener = makeListener({
    entrance: makeEntrance({
      judge,
      forwarder,
      inFlight,
      vigil,
      accessLog,
      cookies,
      scheme: origin.scheme,
      clock,
      log,
    }),
    clock,
  });
  const timers = [
    setInterval(() => void useLog.flush(), useFlushMs).unref(),
    setInterval(() => forwarder.forget((upstream) => isUsed(mirror, inFlight, upstream)), poolSweepMs).unref(),
  ];
  return {
    mirror,
    inFlight,
    server: listener.server,
    listen: (from) => listener.listen(from),
    isDraining: () => listener.isDraining(),
    async close(timeoutMs) {
      await listener.drain(timeoutMs);
      for (const timer of timers) clearInterval(timer);
      await Promise.all([forwarder.close(), accessLog.close(), useLog.flush()]);
    },
  };
}

/** `upstream` is `hostname:port`, an IPv6 address in brackets. */
function isUsed(mirror: Mirror, inFlight: InFlight, upstream: string): boolean {
  const colon = upstream.lastIndexOf(":");
  const address = {
    hostname: upstream.slice(0, colon).replaceAll(/^\[|\]$/g, ""),
    port: Number(upstream.slice(colon + 1)),
  };
  const endpoint = mirror.endpoint();
  const isServer = endpoint?.hostname === address.hostname && endpoint.port === address.port;
  return isServer || inFlight.count(address) > 0 || mirror.hostsTo(address).length > 0;
}
