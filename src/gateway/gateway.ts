import type { Server as NetServer } from "node:net";
import { makeCookies } from "../access/proof/cookie.ts";
import type { PublicOrigin } from "../access/origin.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { makeAccessLog } from "./access-log.ts";
import { makeAuthorizer } from "./authorization/authorizer.ts";
import { isAsking } from "./authorization/question.ts";
import { makeVigil } from "./decision/vigil.ts";
import { makeEntrance } from "./entrance.ts";
import { makeIdentification } from "./identification.ts";
import { addressKey, makeInFlight, type InFlight } from "./in-flight.ts";
import { makeJudge } from "./judge.ts";
import { makeListener, type Address } from "./listener.ts";
import { makeMirror, type Mirror, type StateSource } from "./mirror.ts";
import { makeActivity, type Activity } from "./sleep/activity.ts";
import { makeParking } from "./sleep/parking.ts";
import { noEndpoints, type Endpoints } from "./upstream/endpoints.ts";
import { makeHttpForwarder } from "./upstream/http.ts";
import { makePodChoice } from "./upstream/pods.ts";
import { makeUseLog } from "./use-log.ts";

export interface Gateway {
  readonly mirror: Mirror;
  readonly inFlight: InFlight;
  readonly activity: Activity;
  /** How many requests wait for what sleeps. */
  parked(): number;
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
  /** Absent: no route leads into a cluster. */
  readonly endpoints?: Endpoints;
  readonly clock: Clock;
  readonly log: Log;
}

const useFlushMs = 5_000;
const activityFlushMs = 250;
const poolSweepMs = 30_000;

/** The data path, put together. */
export function makeGateway({ origin, accessLogFile, source, endpoints = noEndpoints, clock, log }: Parts): Gateway {
  const cookies = makeCookies(origin);
  const mirror = makeMirror({ source, log });
  const vigil = makeVigil(mirror);
  const inFlight = makeInFlight(addressKey);
  const activity = makeActivity({ source, clock, log });
  const forwarder = makeHttpForwarder();
  const accessLog = makeAccessLog(accessLogFile, log);
  const useLog = makeUseLog({ mirror, source, clock, log });
  const identification = makeIdentification({ mirror, useLog, cookies, clock, log });
  mirror.onChange(() => endpoints.follow(mirror.podServices()));
  const pods = makePodChoice({ endpoints, mirror, inFlight, clock });
  const parking = makeParking({ mirror, pods, source, clock, log });
  const judge = makeJudge({ mirror, identification, parking, pods, cookies, origin });
  const shared = { judge, activity, accessLog, cookies, scheme: origin.scheme, clock, log };
  const entrance = makeEntrance({ ...shared, forwarder, inFlight, vigil });
  const authorizer = makeAuthorizer(shared);
  const listener = makeListener({
    entrance: {
      request: (request, response) =>
        isAsking(request) ? authorizer.answer(request, response) : entrance.request(request, response),
      upgrade: (request, socket, head) => entrance.upgrade(request, socket, head),
    },
    clock,
  });
  const timers = [
    setInterval(() => void useLog.flush(), useFlushMs).unref(),
    setInterval(() => void activity.flush(), activityFlushMs).unref(),
    setInterval(() => forwarder.forget((upstream) => isUsed(mirror, inFlight, upstream)), poolSweepMs).unref(),
  ];
  return {
    mirror,
    inFlight,
    activity,
    parked: () => parking.count(),
    server: listener.server,
    listen: (from) => listener.listen(from),
    isDraining: () => listener.isDraining(),
    async close(timeoutMs) {
      await listener.drain(timeoutMs);
      for (const timer of timers) clearInterval(timer);
      parking.close();
      await Promise.all([forwarder.close(), accessLog.close(), useLog.flush(), activity.flush(), endpoints.close()]);
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
