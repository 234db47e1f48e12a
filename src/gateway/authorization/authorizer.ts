import type { IncomingMessage, ServerResponse } from "node:http";
import type { PublicOrigin } from "../../access/origin.ts";
import type { Cookies } from "../../access/proof/cookie.ts";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { refusalHeader } from "../../targets/authorization.ts";
import type { AccessLog } from "../access-log.ts";
import { clientGoneStatus, goneSignal, sendNotice } from "../entrance.ts";
import { accessLineOf, beginExchange, type Exchange } from "../exchange.ts";
import type { Judge, Permission } from "../judge.ts";
import { malformed } from "../notice/answers.ts";
import type { Notice } from "../notice/notice.ts";
import type { Activity } from "../sleep/activity.ts";
import { askedAbout, type AskedAbout } from "./question.ts";

/** Answers other entrances: whether a request that they hold may pass, and as whose. */
export interface Authorizer {
  answer(request: IncomingMessage, response: ServerResponse): void;
}

interface Parts {
  readonly judge: Judge;
  readonly activity: Pick<Activity, "enter">;
  readonly accessLog: AccessLog;
  readonly cookies: Cookies;
  readonly scheme: PublicOrigin["scheme"];
  readonly clock: Clock;
  readonly log: Log;
}

export function makeAuthorizer(parts: Parts): Authorizer {
  const { accessLog, scheme, clock, log } = parts;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = askedAbout(request);
    const isUpgrade = request.headers["sec-websocket-key"] !== undefined;
    const { target = null, method } = asked ?? {};
    const exchange = beginExchange(request, { target, method, isUpgrade, at: clock.now(), scheme });
    let status = 500;
    try {
      status = asked
        ? await answerAsked(parts, { asked, exchange, response })
        : (await sendNotice({ exchange, response }, malformed)).status;
    } catch (error) {
      log.error({ requestId: exchange.requestId, error: messageOf(error) }, "a request could not be judged");
      request.socket.destroy();
    } finally {
      accessLog.write(accessLineOf(exchange, { status, bytes: 0 }));
    }
  }

  return { answer: (request, response) => void handle(request, response) };
}

interface Answering {
  readonly asked: AskedAbout;
  readonly exchange: Exchange;
  readonly response: ServerResponse;
}

async function answerAsked(parts: Parts, { asked, exchange, response }: Answering): Promise<number> {
  const identified = await parts.judge.identify(exchange);
  for (;;) {
    const permission = parts.judge.authorize(exchange, { label: asked.label, identified });
    switch (permission.kind) {
      case "notice":
        return (await sendNotice({ exchange, response }, refusalFor(asked, permission.notice))).status;
      case "wait": {
        const notice = await permission.until(goneSignal(response));
        if (response.destroyed) return clientGoneStatus;
        if (notice) return (await sendNotice({ exchange, response }, refusalFor(asked, notice))).status;
        break;
      }
      case "pass":
        parts.activity.enter(permission.route)();
        return sendPermission(parts, { asked, exchange, response }, permission);
      default:
        return permission satisfies never;
    }
  }
}

/** The auth_request of nginx knows 401, for which it begins to sign in, and 403: anything else is a failure there. */
export function refusalFor({ dialect, label }: Pick<AskedAbout, "dialect" | "label">, notice: Notice): Notice {
  const headers: Record<string, string> = { ...notice.headers, [refusalHeader]: label };
  if (dialect !== "nginx" || notice.status >= 500) return { ...notice, headers };
  // What nginx makes of it says nothing of these.
  const { Location: _location, "Set-Cookie": _cookie, ...rest } = headers;
  return { ...notice, headers: rest, status: notice.status === 302 ? 401 : 403 };
}

type Pass = Extract<Permission, { kind: "pass" }>;

function sendPermission(
  { cookies }: Parts,
  { asked, exchange, response }: Answering,
  { identity, isOurAuthorization }: Pass,
): number {
  const { request, requestId } = exchange;
  const { authorization, cookie } = request.headers;
  const handedBack: readonly (readonly [string, string | null | undefined])[] = [
    ["Authorization", isOurAuthorization ? null : authorization],
    ["Cookie", cookie === undefined ? null : cookies.without(cookie)],
  ];
  response.setHeader("X-Waybill-User", identity?.name ?? "");
  response.setHeader("X-Waybill-Role", identity?.role ?? "");
  response.setHeader("X-Waybill-Groups", identity?.groups.join(",") ?? "");
  for (const [name, value] of handedBack) {
    // Envoy keeps a visitor's header that the answer does not have; the others take it away.
    if (value || asked.dialect === "envoy") response.setHeader(name, value ?? "");
  }
  response.writeHead(200, { "Cache-Control": "no-store", "Content-Length": "0", "X-Request-Id": requestId });
  response.end();
  request.resume();
  return 200;
}
