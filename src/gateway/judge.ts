import type { Cookies } from "../access/proof/cookie.ts";
import { placeOf, type Place, type PublicOrigin } from "../access/origin.ts";
import { stackKey } from "../core/stack.ts";
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
import { isAsleep, type Parking } from "./sleep/parking.ts";
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

export interface Judge {
  /** Finds out who asks. Only this part may wait for anything. */
  identify(exchange: Exchange): Identified | Promise<Identified>;
  /** Decides at this moment, by what is in force now: called again before a request is sent a second time. */
  judge(exchange: Exchange, identified: Identified): Verdict;
  /** Whether a connection that was let in would be let in now: by who it is and by its route's access, wherever that leads. */
  mayStay(exchange: Exchange): boolean;
}

interface Parts {
  readonly mirror: Mirror;
  readonly parking: Pick<Parking, "wait">;
  readonly pods: PodChoice;
  readonly identification: Identification;
  readonly cookies: Cookies;
  readonly origin: PublicOrigin;
}

const nobody: Identified = { identity: null, isOurAuthorization: false };
const tell = (notice: Notice): Verdict => ({ kind: "notice", notice });

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

const questionOf = ({ target, isNavigation }: Exchange): Question => ({ path: target.path, isNavigation });

function appearanceOf({ request, target, isUpgrade }: Exchange): Appearance {
  const { method = "GET", headers } = request;
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

function judgeWorkload(
  exchange: Exchange,
  { label, identified }: { label: string; identified: Identified },
  parts: Parts,
): Verdict {
  if (!parts.mirror.isLoaded()) return tell(starting);
  const route = parts.mirror.route(label);
  exchange.deployment = route ? stackKey(route.stack) : null;
  exchange.user = identified.identity?.name ?? null;
  const decision = decide(questionOf(exchange), route, identified.identity);
  switch (decision.kind) {
    case "reserved":
      return toServer(exchange, parts);
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
    case "pass":
      return toWorkload(exchange, { ...decision, isOurAuthorization: identified.isOurAuthorization }, parts);
    default:
      return decision satisfies never;
  }
}

function toWorkload(
  exchange: Exchange,
  { route, identity, isOurAuthorization }: Extract<Decision, { kind: "pass" }> & { isOurAuthorization: boolean },
  { cookies, origin, parking, pods }: Parts,
): Verdict {
  const { upstream } = route;
  if (upstream.kind === "files") return { kind: "files", upstream, rule: route.access };
  if (upstream.protocol === "grpc") return tell(noGrpc);
  if (isAsleep(route, pods)) return { kind: "wait", until: (gone) => parking.wait(route, gone) };
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
