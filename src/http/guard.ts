import type { Identity } from "../core/identity.ts";
import { isForged } from "../access/proof/forgery.ts";
import { WaybillError } from "../core/errors.ts";
import { belongsTo, type Route } from "./route.ts";

/** Throws unless the visitor may call the route, and called it on purpose. */
export function admit(route: Route, visitor: Identity | null, request: Request): void {
  if (!belongsTo(visitor, route.audience)) {
    if (!visitor) throw new WaybillError("SIGN_IN_REQUIRED", "this needs an identity: sign in, or send a token");
    throw new WaybillError(
      "FORBIDDEN",
      `${visitor.name} has the role ${visitor.role}; this needs the role ${route.audience}`,
    );
  }
  // Git and webhooks are no browsers: they prove themselves by a token or a signature.
  if ((route.voice === "api" || route.voice === "page") && isFromElsewhere(request)) {
    throw new WaybillError(
      "FORBIDDEN",
      "a request that changes something must come from this server's own pages, or bring a token",
    );
  }
}

/** Another site's page cannot set Authorization without asking first, so whoever sent it meant to. */
function isFromElsewhere({ method, headers, url }: Request): boolean {
  if (headers.has("authorization")) return false;
  return isForged({
    method,
    host: headers.get("host") ?? new URL(url).host,
    origin: headers.get("origin"),
    secFetchSite: headers.get("sec-fetch-site"),
  });
}
