import type { Clock } from "../../../core/clock.ts";
import type { KubernetesTargetSettings } from "../../../spec/server-settings.ts";
import { hostsOf, idleOf } from "../../../../templates/local/parts.ts";
import type { AccessRule } from "../../route.ts";
import type { Workload } from "../../workload.ts";
import { knock } from "./knock.ts";
import { probeDoors } from "./probe.ts";
import type { ClosedDoor } from "./verdict.ts";

interface Parts {
  readonly settings: Pick<KubernetesTargetSettings, "ingress">;
  readonly scheme: "http" | "https";
  /** The domain of the deployments' addresses. */
  readonly host: string;
  readonly clock: Clock;
}

/** Asks as nobody at each address that is not for everybody; null where there is none, or where the gateway is the entrance. */
export function guardOf(
  { settings: { ingress }, scheme, host, clock }: Parts,
  workload: Workload,
): ((signal: AbortSignal) => Promise<void>) | null {
  const { spec, pause } = workload;
  if (ingress === undefined || spec.kind !== "service" || spec.state !== "running" || pause !== null) return null;
  const isByWaybill = "idle" in idleOf(workload);
  const doors = hostsOf(workload, spec.routes).flatMap(({ host: label, route: { access } }): ClosedDoor[] => {
    if (access.visibility === "public") return [];
    return [{ host: label, url: `${scheme}://${label}.${host}`, path: closedPath(access), isByWaybill }];
  });
  if (doors.length === 0) return null;
  return (signal) => probeDoors({ settings: ingress, knock, clock }, doors, signal);
}

/** A path with parameters is never a public one (RFC 3986, section 3.3): it has more than one reading. */
const closedPath = (access: AccessRule): string =>
  access.public.some((pattern) => pattern === "/" || pattern === "/*") ? "/;" : "/";
