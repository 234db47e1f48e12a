import { mayView } from "../../access/permission.ts";
import type { Identity } from "../../core/identity.ts";
import type { KnownRoute, Upstream } from "../../targets/route.ts";
import { isPublicPath } from "./public-path.ts";

/** What decides about a request to a deployment's host. */
export interface Question {
  /** The path as it was sent, without the query. */
  readonly path: string;
  /** A person's browser opens a page: it can be shown a sign-in page, where a program gets a status. */
  readonly isNavigation: boolean;
  /** It wants to be refused, whatever the route's rule: see `probeHeader`. */
  readonly isProbe: boolean;
}

/** A route with something to send requests to. */
export interface ServingRoute extends KnownRoute {
  readonly upstream: Exclude<Upstream, { kind: "none" }>;
}

export type Decision =
  /** On to the upstream; `identity` is null where the route is public and nobody signed in. */
  | { readonly kind: "pass"; readonly identity: Identity | null; readonly route: ServingRoute }
  /** On to the server itself: sign-in and sign-out on this host. */
  | { readonly kind: "reserved" }
  | { readonly kind: "redirect" }
  | { readonly kind: "unauthorized" }
  | { readonly kind: "forbidden"; readonly identity: Identity }
  | { readonly kind: "not-found" }
  | { readonly kind: "unavailable"; readonly reason: string };

const reserved = /^\/\.waybill(?:\/|$)/;
const reservedPage = /^\/\.waybill\/[a-z][a-z-]{0,40}$/;

/**
 * Every decision of the gateway about deployments, in order: no host before no right, no right before no answer, so
 * that nothing about a deployment, not even that it is paused, is told to whom may not see it.
 */
export function decide(question: Question, route: KnownRoute | null, identity: Identity | null): Decision {
  // Also where nothing is deployed: a session on a host that went away can still be ended.
  if (reserved.test(question.path)) {
    return reservedPage.test(question.path) ? { kind: "reserved" } : { kind: "not-found" };
  }
  if (route === null) return { kind: "not-found" };
  const mayPass = isPublicPath(question.path, route.access.public) || mayView(identity, route.access);
  if (question.isProbe || !mayPass) {
    if (identity !== null && !question.isProbe) return { kind: "forbidden", identity };
    return question.isNavigation ? { kind: "redirect" } : { kind: "unauthorized" };
  }
  const { upstream } = route;
  if (upstream.kind === "none") return { kind: "unavailable", reason: upstream.reason };
  return { kind: "pass", identity, route: { ...route, upstream } };
}
