import type { Agent } from "node:http";
import type { Clock } from "../../../core/clock.ts";
import type { ProbeSettings } from "../../../spec/ingress-settings.ts";
import type { KubernetesTargetSettings } from "../../../spec/server-settings.ts";
import { hostsOf, idleOf } from "../../../../templates/local/parts.ts";
import type { AccessRule } from "../../route.ts";
import type { Workload } from "../../workload.ts";
import { makeKnock } from "./knock.ts";
import { awaitDoors, probeDoors, type Doorkeeper } from "./probe.ts";
import type { ProbedDoor } from "./verdict.ts";

/** The server's own gateway. */
export interface OwnGateway {
  /** Where the one beside the server takes requests. */
  readonly url: string;
  /** Its connections are kept for the next question. */
  readonly agent: Agent;
}

interface Parts {
  readonly settings: Pick<KubernetesTargetSettings, "ingress" | "probe">;
  readonly scheme: "http" | "https";
  /** The domain of the deployments' addresses. */
  readonly host: string;
  /** Absent: there is none that could be asked. */
  readonly ownGateway?: OwnGateway;
  readonly clock: Clock;
}

type Asking = (signal: AbortSignal) => Promise<void>;

/** Asks as nobody at each address that is not for everybody; null where there is none, or nobody to ask. */
export function guardOf(parts: Parts, workload: Workload): Asking | null {
  const entrance = entranceOf(parts, workload);
  const doors = doorsOf(parts, workload, entrance).filter(({ isPublic }) => !isPublic);
  if (entrance === null || doors.length === 0) return null;
  return (signal) => probeDoors({ ...entrance, clock: parts.clock }, doors, signal);
}

// Nobody is in danger by it: whoever comes early is told that there is nothing yet.
const openPatienceMs = 10_000;

/**
 * Waits until the cluster's own entrance has taken up each address that is for everybody, for a while at most; null where
 * there is none. The gateway has taken up its routes.
 */
export function openingOf(parts: Parts, workload: Workload): Asking | null {
  const entrance = entranceOf(parts, workload);
  const doors = doorsOf(parts, workload, entrance).filter(({ isPublic, by }) => isPublic && by !== "gateway");
  if (entrance === null || doors.length === 0) return null;
  const probe = { ...entrance.probe, timeoutMs: Math.min(entrance.probe.timeoutMs, openPatienceMs) };
  return (signal) => awaitDoors({ ...entrance, probe, clock: parts.clock }, doors, signal);
}

function doorsOf(parts: Parts, workload: Workload, entrance: Entrance | null): readonly ProbedDoor[] {
  const { spec, pause } = workload;
  const isServed = spec.kind === "service" || (spec.kind === "site" && parts.settings.ingress === undefined);
  if (!isServed || spec.state !== "running" || pause !== null || entrance === null) return [];
  const { scheme, host: domain } = parts;
  const signIn = `${scheme}://${domain}/sign-in`;
  return hostsOf(workload, spec.routes).map(({ host, route: { access } }) => {
    const url = `${scheme}://${host}.${domain}`;
    const isPublic = access.visibility === "public";
    return { host, url, path: closedPath(access), isPublic, signIn, by: entrance.by };
  });
}

interface Entrance {
  readonly by: ProbedDoor["by"];
  readonly probe: ProbeSettings;
  readonly doorkeeper: Doorkeeper;
  readonly knock: ReturnType<typeof makeKnock>;
}

function entranceOf({ settings: { ingress, probe }, ownGateway }: Parts, workload: Workload): Entrance | null {
  if (ingress !== undefined) {
    const by = "idle" in idleOf(workload) ? "controller-to-waybill" : "controller";
    return { by, probe: ingress.probe, doorkeeper: controllerOf(ingress.controller), knock: makeKnock() };
  }
  if (ownGateway === undefined) return null;
  const { url, agent } = ownGateway;
  const asked = { timeoutMs: probe?.timeoutMs ?? gatewayTimeoutMs, url: probe?.url ?? url };
  return { by: "gateway", probe: asked, doorkeeper: gateway, knock: makeKnock(agent) };
}

// It has taken up the routes when it is asked; this is for one that is just being replaced.
const gatewayTimeoutMs = 60_000;

// What keeps one silent is seldom over by itself, and each try opens the address for as long as it is asked.
const controllerPauseMs = 5 * 60_000;

const controllerOf = (kind: string): Doorkeeper => ({
  name: "the cluster's entrance",
  ifOpen:
    `The entrance does not heed what Waybill says to a controller of the kind ${kind}: an administrator looks at ` +
    "ingress in the server's settings",
  ifSilent:
    "An administrator looks whether it takes up what Waybill makes (className or parent) and reaches Waybill at serverUrl",
  againAfterMs: controllerPauseMs,
});

const gateway: Doorkeeper = {
  name: "the gateway",
  ifOpen:
    "What answers there lets everybody in, or is not Waybill's gateway: an administrator looks at what listens there, " +
    "and at ingress.probe in the server's settings",
  ifSilent:
    "An administrator looks whether a gateway of Waybill answers there (gateway.log), and at ingress.probe in the " +
    "server's settings",
  againAfterMs: null,
};

/** A path with parameters is never a public one (RFC 3986, section 3.3): it has more than one reading. */
const closedPath = (access: AccessRule): string =>
  access.public.some((pattern) => pattern === "/" || pattern === "/*") ? "/;" : "/";
