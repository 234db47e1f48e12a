import type { Cookies } from "../access/proof/cookie.ts";
import { placeOf, returnPlaceOf, type Place, type PublicOrigin } from "../access/origin.ts";
import type { Identity } from "../core/identity.ts";
import { stackKey } from "../core/stack.ts";
import { beginSignInPath, probeHeader } from "../targets/authorization.ts";
import type { AccessRule, KnownRoute, Upstream } from "../targets/route.ts";
import { decide, type Decision, type Question } from "./decision/decide.ts";
import { sayingOf, type Exchange } from "./exchange.ts";
import type { Appearance, Identification, Identified } from "./identification.ts";
import type { Endpoint, Mirror } from "./mirror.ts";
import {
  forbidden,
  malformed,
  noGrpc,
  serverAway,
  signInRedirect,
  starting,
  unauthorized,
  unavailable,
  unknownHost,
} from "./notice/answers.ts";
import type { Notice } from "./notice/notice.ts";
import type { Parking } from "./sleep/parking.ts";
import type { PodChoice } from "./upstream/pods.ts";
import { headersForServer, headersForWorkload } from "./upstream/headers.ts";

/** What becomes of a request. */
export type Verdict =
  | {
      readonly kind: "forward";
      readonly to: "server";
      readonly upstream: Endpoint;
      readonly headers: string[];
    }
  | {
      readonly kind: "forward";
      readonly to: "workload";
      readonly upstream: Endpoint;
      readonly headers: string[];
      readonly route: KnownRoute;
    }
  /** Not now: to be judged again once this resolves, unless with the answer to give. */
  | { readonly kind: "wait"; readonly until: (gone: AbortSignal) => Promise<Notice | null> }
  | { readonly kind: "files"; readonly upstream: Extract<Upstream, { kind: "files" }>; readonly rule: AccessRule }
  | { readonly kind: "notice"; readonly notice: Notice };

/** What another entrance may do with a request that it holds. */
export type Permission =
  | {
      readonly kind: "pass";
      readonly identity: Identity | null;
      readonly isOurAuthorization: boolean;
      readonly route: KnownRoute;
    }
  | Extract<Verdict, { kind: "wait" | "notice" }>;

export interface Judge {
  /** Finds out who asks. Only this part may wait for anything. */
  identify(exchange: Exchange): Identified | Promise<Identified>;
  /** Decides at this moment, by what is in force now: called again before a request is sent a second time. */
  judge(exchange: Exchange, identified: Identified): Verdict;
  /** The same decision for whoever sends requests for the host `label` on by itself, once there is something ready. */
  authorize(exchange: Exchange, asked: { readonly label: string; readonly identified: Identified }): Permission;
  /** Whether a connection that was let in would be let in now: by who it is and by its route's access, wherever that leads. */
  mayStay(exchange: Exchange): boolean;
}

interface Parts {
  readonly mirror: Mirror;
  readonly parking: Pick<Parking, "wait" | "holds">;
  readonly pods: PodChoice;
  readonly identification: Identification;
  readonly cookies: Cookies;
  readonly origin: PublicOrigin;
}

const nobody: Identified = { identity: null, isOurAuthorization: false };
type Telling = Extract<Verdict, { kind: "notice" }>;
const tell = (notice: Notice): Telling => ({ kind: "notice", notice });

export function makeJudge(parts: Parts): Judge {
  const place = ({ target }: Exchange): Place => placeOf(target.host, parts.origin);
  return {
    identify(exchange) {
      const where = place(exchange);
      return where.kind === "workload" ? parts.identification.identify(appearanceOf(exchange), where.label) : nobody;
    },
    judge(exchange, identified) {
      const where = place(exchange);
      switch (where.kind) {
        case "malformed":
          return tell(malformed);
        case "unknown":
          return tell(unknownHost(exchange.target.host));
        case "bare":
          return toServer(exchange, parts);
        case "workload":
          return judgeWorkload(exchange, { label: where.label, identified }, parts);
        default:
          return where satisfies never;
      }
    },
    authorize(exchange, { label, identified }) {
      const where = place(exchange);
      if (where.kind !== "workload" || where.label !== label) return tell(malformed);
      return authorizeWorkload(exchange, { label, identified }, parts);
    },
    mayStay(exchange) {
      const where = place(exchange);
      if (where.kind !== "workload") return true;
      const { identity } = parts.identification.recall(appearanceOf(exchange), where.label);
      const { kind } = decide(questionOf(exchange), parts.mirror.route(where.label), identity);
      // A revision that is replaced, paused or removed ends its own connections, when it has had its time.
      return kind !== "redirect" && kind !== "unauthorized" && kind !== "forbidden";
    },
  };
}

const questionOf = ({ target, isNavigation, request }: Exchange): Question => ({
  path: target.path,
  isNavigation,
  isProbe: request.headers[probeHeader.toLowerCase()] !== undefined,
});

function appearanceOf({ request: { headers }, method, target, isUpgrade }: Exchange): Appearance {
  const site = headers["sec-fetch-site"];
  return {
    method,
    isUpgrade,
    host: target.host,
    cookie: headers.cookie,
    authorization: headers.authorization,
    origin: headers.origin,
    secFetchSite: typeof site === "string" ? site : undefined,
  };
}

interface Asked {
  readonly label: string;
  readonly identified: Identified;
}

type Sorted = Telling | Extract<Decision, { kind: "pass" | "reserved" }>;

/** By who it is and by its route: whatever is not let in has its answer. */
function sortOut(exchange: Exchange, { label, identified }: Asked, parts: Parts): Sorted {
  if (!parts.mirror.isLoaded()) return tell(starting);
  const route = parts.mirror.route(label);
  exchange.deployment = route ? stackKey(route.stack) : null;
  exchange.user = identified.identity?.name ?? null;
  const decision = decide(questionOf(exchange), route, identified.identity);
  switch (decision.kind) {
    case "reserved":
    case "pass":
      return decision;
    case "redirect":
      return tell(signInRedirect(exchange, label, parts));
    case "unauthorized":
      return tell(unauthorized);
    case "forbidden":
      return tell(forbidden(decision.identity.name, route?.access));
    case "not-found":
      return tell(unknownHost(exchange.target.host));
    case "unavailable":
      return tell(unavailable(decision.reason));
    default:
      return decision satisfies never;
  }
}

function judgeWorkload(exchange: Exchange, asked: Asked, parts: Parts): Verdict {
  const sorted = sortOut(exchange, asked, parts);
  switch (sorted.kind) {
    case "notice":
      return sorted;
    case "reserved":
      return exchange.target.path === beginSignInPath
        ? tell(beginSignIn(exchange, asked.label, parts))
        : toServer(exchange, parts);
    case "pass":
      return toWorkload(exchange, { ...sorted, isOurAuthorization: asked.identified.isOurAuthorization }, parts);
    default:
      return sorted satisfies never;
  }
}

/** For an entrance that can only send a browser to a fixed address when somebody must sign in. */
function beginSignIn(exchange: Exchange, label: string, parts: Parts): Notice {
  if (!exchange.isNavigation) return unauthorized;
  const { target } = exchange;
  const back = new URLSearchParams(target.url.slice(target.path.length)).get("rd");
  const to = returnPlaceOf(back, parts.origin);
  const url = to.kind === "workload" && to.label === label ? to.path : "/";
  return signInRedirect({ ...exchange, target: { ...target, url } }, label, parts);
}

function authorizeWorkload(exchange: Exchange, asked: Asked, parts: Parts): Permission {
  const sorted = sortOut(exchange, asked, parts);
  if (sorted.kind === "notice") return sorted;
  // These are Waybill's own paths, which reach it by another way.
  if (sorted.kind === "reserved") return tell(unknownHost(exchange.target.host));
  const { identity, route } = sorted;
  const { parking, pods } = parts;
  if (parking.holds(route)) return { kind: "wait", until: (gone) => parking.wait(route, gone) };
  const { upstream } = route;
  if (upstream.kind === "pods" && !pods.isThere(upstream)) {
    return { kind: "wait", until: (gone) => pods.appear(upstream, gone) };
  }
  return { kind: "pass", identity, isOurAuthorization: asked.identified.isOurAuthorization, route };
}

function toWorkload(
  exchange: Exchange,
  { route, identity, isOurAuthorization }: Extract<Decision, { kind: "pass" }> & { isOurAuthorization: boolean },
  { cookies, origin, parking, pods }: Parts,
): Verdict {
  const { upstream } = route;
  if (upstream.kind === "files") return { kind: "files", upstream, rule: route.access };
  if (upstream.protocol === "grpc") return tell(noGrpc);
  if (parking.holds(route)) return { kind: "wait", until: (gone) => parking.wait(route, gone) };
  const address = upstream.kind === "http" ? addressOf(upstream) : pods.choose(upstream, exchange);
  if (address === null) return { kind: "wait", until: (gone) => pods.appear(upstream, gone) };
  const headers = headersForWorkload(exchange.request.rawHeaders, sayingOf(exchange, origin), {
    identity,
    cookies,
    isOurAuthorization,
  });
  return { kind: "forward", to: "workload", upstream: address, headers, route };
}

const addressOf = ({ hostname, port }: Endpoint): Endpoint => ({ hostname, port });

function toServer(exchange: Exchange, { mirror, origin }: Parts): Verdict {
  const upstream = mirror.endpoint();
  if (upstream === null) return tell(serverAway);
  return {
    kind: "forward",
    to: "server",
    upstream,
    headers: headersForServer(exchange.request.rawHeaders, sayingOf(exchange, origin)),
  };
}
