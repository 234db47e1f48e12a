import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { PublicOrigin } from "../access/origin.ts";
import type { AccessLine } from "./access-log.ts";
import { isNavigation, type Target } from "./target.ts";
import { parentRequestIdOf, type Saying } from "./upstream/headers.ts";

/** One request on its way through, with what is learned about it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly target: Target;
  readonly requestId: string;
  readonly parentRequestId: string | null;
  readonly address: string;
  readonly isNavigation: boolean;
  readonly isUpgrade: boolean;
  readonly at: Date;
  readonly startedMs: number;
  deployment: string | null;
  user: string | null;
}

export function beginExchange(
  request: IncomingMessage,
  { target, isUpgrade, at }: { target: Target | null; isUpgrade: boolean; at: Date },
): Exchange {
  return {
    request,
    target: target ?? { host: "", url: "/", path: "/" },
    requestId: randomBytes(12).toString("hex"),
    parentRequestId: parentRequestIdOf(request.headers["x-request-id"]),
    address: plainAddress(request.socket.remoteAddress ?? ""),
    isNavigation: !isUpgrade && isNavigation(request),
    isUpgrade,
    at,
    startedMs: performance.now(),
    deployment: null,
    user: null,
  };
}

export function sayingOf(exchange: Exchange, { scheme }: PublicOrigin): Saying {
  const { requestId, parentRequestId, address, target } = exchange;
  return { requestId, parentRequestId, clientAddress: address, host: target.host, scheme };
}

export function accessLineOf(exchange: Exchange, { status, bytes }: { status: number; bytes: number }): AccessLine {
  const { at, requestId, parentRequestId, target, deployment, request, startedMs, user, address } = exchange;
  return {
    time: at.toISOString(),
    requestId,
    ...(parentRequestId !== null && { parentRequestId }),
    host: target.host.slice(0, 255),
    deployment,
    method: request.method ?? "",
    path: target.path,
    status,
    bytes,
    durationMs: Math.round((performance.now() - startedMs) * 10) / 10,
    user,
    address,
  };
}

/** An IPv4 client of an IPv6 socket is named as IPv4 (RFC 4291, section 2.5.5.2). */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");
