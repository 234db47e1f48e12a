import type { Cookies } from "../../access/proof/cookie.ts";
import type { Identity } from "../../core/identity.ts";

/** Name, value, name, value, … as they stood on the wire. */
export type RawHeaders = readonly string[];

// RFC 9110, section 7.6.1, and what older software adds to it.
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

// Headers by which some proxy in front of an application says who the user is, where the request came from, or which
// path was meant: an application that trusts them must get them from us or not at all.
const saidByProxies = [
  /^x-waybill-/,
  /^x-forwarded(?:-|$)/,
  /^forwarded$/,
  /^x-(?:real|client|cluster-client|true-client|original-forwarded|original|remote|source)-(?:ip|for|host|port|addr|proto)$/,
  /^(?:true-client-ip|client-ip|cf-connecting-ip|fastly-client-ip)$/,
  /^x-(?:original|rewrite|accel|envoy-original)-(?:url|uri|path|method)$/,
  /^(?:x-)?remote-(?:user|groups?|name|email|roles?)$/,
  /^x-auth-request-/,
  /^x-(?:auth-user|authenticated|webauth|authentik|vouch|pomerium|goog-authenticated|goog-iap|amzn-oidc|ms-client)(?:-|$)/,
  /^(?:cf-access|tailscale-user|ssl-client|x-ssl-client|x-client-cert|x-ssl|ssl)-/,
  /^(?:client-cert|client-cert-chain|auth-user)$/,
];

/**
 * A header's name as the most lenient application reads it: CGI and its heirs turn every other character into `_`
 * (RFC 3875, section 4.1.18), so `X_Waybill_User` and `x.waybill.user` mean the same there.
 */
const asReadByCgi = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "-");

const isHopByHop = (headers: RawHeaders): ((name: string) => boolean) => {
  const named = new Set<string>();
  for (const [name, value] of pairsOf(headers)) {
    if (name.toLowerCase() !== "connection") continue;
    for (const option of value.split(",")) named.add(option.trim().toLowerCase());
  }
  return (name) => hopByHop.has(name) || named.has(name);
};

export function* pairsOf(headers: RawHeaders): Generator<readonly [name: string, value: string]> {
  for (let at = 0; at + 1 < headers.length; at += 2) yield [headers[at] ?? "", headers[at + 1] ?? ""];
}

/** What the gateway says about a request to whoever receives it. */
export interface Saying {
  readonly requestId: string;
  /** The client's own request id, where it is well formed. */
  readonly parentRequestId: string | null;
  readonly clientAddress: string;
  readonly host: string;
  readonly scheme: "http" | "https";
}

/** For a deployment: without our credentials, and with nothing about the user that we did not say. */
export function headersForWorkload(
  headers: RawHeaders,
  saying: Saying,
  {
    identity,
    cookies,
    isOurAuthorization,
  }: { identity: Identity | null; cookies: Cookies; isOurAuthorization: boolean },
): string[] {
  const kept: string[] = [];
  for (const { name, value, lower, read } of passing(headers)) {
    if (saidByProxies.some((pattern) => pattern.test(read))) continue;
    if (lower === "authorization" && isOurAuthorization) continue;
    if (lower === "cookie") {
      const rest = cookies.without(value);
      if (rest !== null) kept.push(name, rest);
      continue;
    }
    kept.push(name, value);
  }
  kept.push("host", saying.host, ...sayings(saying));
  if (identity) {
    kept.push("x-waybill-user", identity.name, "x-waybill-role", identity.role);
    if (identity.groups.length > 0) kept.push("x-waybill-groups", identity.groups.join(","));
  }
  return kept;
}

/** For the server itself, which authenticates by itself: everything as it came, but for where it came from. */
export function headersForServer(headers: RawHeaders, saying: Saying): string[] {
  const kept: string[] = [];
  for (const { name, value, read } of passing(headers)) {
    if (!/^x-forwarded(?:-|$)|^forwarded$|^x-real-ip$|^x-waybill-/.test(read)) kept.push(name, value);
  }
  kept.push("host", saying.host, ...sayings(saying));
  return kept;
}

interface PassingHeader {
  readonly name: string;
  readonly value: string;
  readonly lower: string;
  readonly read: string;
}

/** What is not for this hop alone, and is not said anew for every upstream. */
function* passing(headers: RawHeaders): Generator<PassingHeader> {
  const isHop = isHopByHop(headers);
  for (const [name, value] of pairsOf(headers)) {
    const lower = name.toLowerCase();
    const read = asReadByCgi(name);
    if (isHop(lower) || lower === "host" || lower === "expect" || read === "x-request-id") continue;
    yield { name, value, lower, read };
  }
}

function sayings({ requestId, parentRequestId, clientAddress, host, scheme }: Saying): string[] {
  return [
    "x-request-id",
    requestId,
    "x-forwarded-for",
    clientAddress,
    "x-forwarded-proto",
    scheme,
    "x-forwarded-host",
    host,
    ...(parentRequestId === null ? [] : ["x-waybill-parent-request-id", parentRequestId]),
  ];
}

/** An upstream's answer as the client gets it. A deployment may not set our cookies. */
export function headersForClient(headers: RawHeaders, requestId: string, cookies: Cookies | null): string[] {
  const isHop = isHopByHop(headers);
  const kept: string[] = [];
  for (const [name, value] of pairsOf(headers)) {
    const lower = name.toLowerCase();
    if ((isHop(lower) && lower !== "trailer") || lower === "x-request-id") continue;
    if (lower === "set-cookie" && cookies?.isOurs(value)) continue;
    kept.push(name, value);
  }
  kept.push("X-Request-Id", requestId);
  return kept;
}

/** A client's own request id, kept beside ours where it cannot hurt a log. */
export function parentRequestIdOf(value: string | readonly string[] | undefined): string | null {
  return typeof value === "string" && /^[A-Za-z0-9._:/+=-]{1,128}$/.test(value) ? value : null;
}
