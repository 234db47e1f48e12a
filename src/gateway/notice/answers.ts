import { createHash, randomBytes } from "node:crypto";
import type { Cookies } from "../../access/proof/cookie.ts";
import { bareUrl, signInPath, workloadUrl, type PublicOrigin } from "../../access/origin.ts";
import type { AccessRule, WakeFailure } from "../../targets/route.ts";
import type { Exchange } from "../exchange.ts";
import { noticeOf, type Notice } from "./notice.ts";

// As long as somebody may take to sign in.
const stateLifeSeconds = 30 * 60;
const longestReturn = 2_000;

/** To the sign-in page, and back here after it. The nonce in a cookie ties the way back to this browser. */
export function signInRedirect(
  { request, target }: Exchange,
  label: string,
  { cookies, origin }: { cookies: Cookies; origin: PublicOrigin },
): Notice {
  // One nonce for all that this browser begins meanwhile: two tabs must not spoil each other's.
  const known = cookies.read(request.headers.cookie, cookies.state).find((value) => /^[\w-]{43}$/.test(value));
  const nonce = known ?? randomBytes(32).toString("base64url");
  const back = workloadUrl(origin, label) + (target.url.length > longestReturn ? "/" : target.url);
  const query = new URLSearchParams({ return: back, state: createHash("sha256").update(nonce).digest("hex") });
  const location = `${bareUrl(origin)}${signInPath}?${query.toString()}`;
  const notice = noticeOf("SIGN_IN_REQUIRED", {
    title: "Sign in",
    detail: "This address asks who you are.",
    headers: { Location: location, "Set-Cookie": cookies.set(cookies.state, nonce, stateLifeSeconds), Vary: "Cookie" },
  });
  return { ...notice, status: 302 };
}

export const unauthorized = noticeOf("SIGN_IN_REQUIRED", {
  title: "Sign in",
  detail:
    "This address asks who you are: send a token of Waybill as `Authorization: Bearer TOKEN`, or sign in with a browser.",
  headers: { "WWW-Authenticate": 'Bearer realm="waybill"' },
});

export const malformed: Notice = {
  ...noticeOf("REQUEST_INVALID", {
    title: "Not a request",
    detail: "The request's host or address can be read in more than one way, or in none.",
  }),
};

export const serverAway = noticeOf("SERVER_AWAY", {
  title: "Waybill is restarting",
  detail: "Your deployments keep running, at their own addresses. This page is back in a moment: load it again.",
  headers: { "Retry-After": "2" },
});

export const starting = noticeOf("SERVER_AWAY", {
  title: "Waybill is starting",
  detail: "Its addresses are not read from the database yet. This page is here in a moment: load it again.",
  headers: { "Retry-After": "2" },
});

export const noGrpc: Notice = {
  ...noticeOf("NOT_SERVING", {
    title: "gRPC is not carried yet",
    detail: "This route is declared `protocol: grpc`, which needs HTTP/2 all the way. Waybill carries HTTP/1.1 so far.",
  }),
  status: 501,
};

export const unknownHost = (host: string): Notice =>
  noticeOf("HOST_UNKNOWN", {
    title: "Nothing here",
    detail: `Nothing is deployed at ${host.slice(0, 253)}. It may have been removed, or not have been deployed yet.`,
  });

export const unavailable = (reason: string): Notice =>
  noticeOf("NOT_SERVING", { title: "Not serving now", detail: reason, headers: { "Retry-After": "30" } });

/** Its first line alone: the rest is of the deployment's log. */
export function didNotWake({ reason, retryAt }: WakeFailure, nowMs: number): Notice {
  const seconds = Math.max(1, Math.ceil((Date.parse(retryAt) - nowMs) / 1_000));
  return noticeOf("NOT_SERVING", {
    title: "It did not wake up",
    detail: `This deployment was asleep and could not be started: ${reason.split("\n", 1)[0]}. Its logs say more.`,
    headers: { "Retry-After": String(seconds) },
  });
}

export const notWokenYet = noticeOf("SERVER_AWAY", {
  title: "Still asleep",
  detail: "This deployment sleeps while nobody asks for it, and it could not be woken in time. Ask again in a moment.",
  headers: { "Retry-After": "5" },
});

export const tooManyWait = noticeOf("BUSY", {
  title: "Too many wait",
  detail: "This deployment is being woken, and as many requests wait for it as are held. Ask again in a moment.",
  headers: { "Retry-After": "5" },
});

export const noPods = noticeOf("NOT_SERVING", {
  title: "Nothing is ready",
  detail: "None of this deployment's pods is ready to answer. Its status says why.",
  headers: { "Retry-After": "5" },
});

export function forbidden(name: string, rule: AccessRule | undefined): Notice {
  const whom = (rule?.viewers ?? []).filter((viewer) => viewer !== "").slice(0, 5);
  const ask =
    whom.length === 0
      ? "Ask whoever deployed it to add you to its `viewers`, or an administrator."
      : `It is open to ${whom.join(", ")}. Ask one of them, or an administrator.`;
  return noticeOf("FORBIDDEN", { title: "Not yours to see", detail: `You are signed in as ${name}. ${ask}` });
}
