import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { PublicOrigin } from "../access/origin.ts";
import type { AccessLine } from "./access-log.ts";
import type { Endpoint } from "./mirror.ts";
import { isNavigation, type Target } from "./target.ts";
import { parentRequestIdOf, type Saying } from "./upstream/headers.ts";

/** One request on its way through, with what is learned about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly target: Target;
  readonly method: string;
  readonly requestId: string;
  readonly parentRequestId: string | null;
  readonly address: string;
  readonly isNavigation: boolean;
  readonly isUpgrade: boolean;
  readonly at: Date;
  readonly startedMs: number;
  /** Addresses that did not take it. */
  readonly failedAt: Endpoint[];
  deployment: string | null;
  user: string | null;
}

export function beginExchange(
  request: IncomingMessage,
  {
    target,
    method = request.method ?? "",
    isUpgrade,
    at,
    scheme,
  }: {
    target: Target | null;
    /** Where it is not the request's own. */
    method?: string | undefined;
    isUpgrade: boolean;
    at: Date;
    scheme: PublicOrigin["scheme"];
  },
): Exchange {
  return {
    request,
    target: target ?? { host: "", url: "/", path: "/" },
    method,
    requestId: randomBytes(12).toString("hex"),
    parentRequestId: parentRequestIdOf(request.headers["x-request-id"]),
    address: clientAddressOf(request.socket.remoteAddress ?? "", request.headers["x-forwarded-for"], scheme),
    isNavigation: !isUpgrade && isNavigation({ method, headers: request.headers }),
    isUpgrade,
    at,
    startedMs: performance.now(),
    failedAt: [],
    deployment: null,
    user: null,
  };
}

export function sayingOf(exchange: Exchange, { scheme }: PublicOrigin): Saying {
  const { requestId, parentRequestId, address, target } = exchange;
  return { requestId, parentRequestId, clientAddress: address, host: target.host, scheme };
}

export function accessLineOf(exchange: Exchange, { status, bytes }: { status: number; bytes: number }): AccessLine {
  const { at, requestId, parentRequestId, target, method, deployment, startedMs, user, address } = exchange;
  return {
    time: at.toISOString(),
    requestId,
    ...(parentRequestId !== null && { parentRequestId }),
    host: target.host.slice(0, 255),
    deployment,
    method,
    path: target.path,
    status,
    bytes,
    durationMs: Math.round((performance.now() - startedMs) * 10) / 10,
    user,
    address,
  };
}

// 127/8, ::1, and the private ranges of RFC 1918 and RFC 4193.
const nearby = /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|::1$|f[cd])/i;
const address = /^[0-9a-f.:]{2,45}$/i;

/**
 * Whose request it is. Under https something in front of us ends TLS: when that is a neighbour, the last address of its
 * X-Forwarded-For is the client's. Otherwise all clients would share the proxy's, and its limit of failed sign-ins.
 */
export function clientAddressOf(
  peer: string,
  forwardedFor: string | readonly string[] | undefined,
  scheme: PublicOrigin["scheme"],
): string {
  // An IPv4 client of an IPv6 socket is named as IPv4 (RFC 4291, section 2.5.5.2).
  const plain = peer.replace(/^::ffff:(?=\d+\.)/i, "");
  if (scheme === "http" || !nearby.test(plain)) return plain;
  const last =
    String(forwardedFor ?? "")
      .split(",")
      .at(-1)
      ?.trim() ?? "";
  return address.test(last) ? last : plain;
}
