/** In whose words an entrance that is not Waybill's asks whether a request may pass. */
export type Dialect = "nginx" | "traefik" | "envoy";

/** Where any entrance may ask, on every host: it tells nobody more than the request itself would. */
export const authorizePrefix = "/.waybill/authorize/";

/** The host's label is part of the address that is set up, so that no header of a visitor can name another one. */
export const authorizePath = (dialect: Dialect, host: string): string => `${authorizePrefix}${dialect}/${host}`;

/** On each deployment's host: begins to sign in, and comes back to `rd`. */
export const beginSignInPath = "/.waybill/sign-in";

/** Says that an answer was given to an entrance that asked, and not by the gateway as the entrance. */
export const refusalHeader = "X-Waybill-Refusal";

/** Whoever sends this is let in nowhere: so an address that is for everybody shows who decides about it. */
export const probeHeader = "X-Waybill-Probe";

/** Said of each request that may pass, also where there is nothing to say: a visitor's own are written over. */
export const identityHeaders = ["X-Waybill-User", "X-Waybill-Role", "X-Waybill-Groups"] as const;

/** Handed back without what was meant for Waybill, in place of the visitor's. */
export const credentialHeaders = ["Authorization", "Cookie"] as const;

/**
 * By these, other proxies say who somebody is. They are never in an answer, and so taken away where answers rule.
 * At most 16: a filter of Gateway API takes no more.
 */
export const foreignIdentityHeaders = [
  "Remote-User",
  "Remote-Groups",
  "Remote-Name",
  "Remote-Email",
  "X-Remote-User",
  "X-Remote-Groups",
  "X-Forwarded-User",
  "X-Forwarded-Groups",
  "X-Forwarded-Email",
  "X-Forwarded-Preferred-Username",
  "X-Auth-Request-User",
  "X-Auth-Request-Groups",
  "X-Auth-Request-Email",
  "X-Auth-Request-Preferred-Username",
  "X-Auth-User",
  "X-WebAuth-User",
] as const;

/** What an entrance must hand on of a request for it to be judged as the gateway would. */
export const judgedHeaders = [
  "accept",
  "cookie",
  "origin",
  "sec-fetch-mode",
  "sec-fetch-site",
  "sec-websocket-key",
  "x-forwarded-for",
  "x-request-id",
  "x-waybill-probe",
] as const;
