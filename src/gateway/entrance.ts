import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { PublicOrigin } from "../access/origin.ts";
import type { Cookies } from "../access/proof/cookie.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { AccessLog } from "./access-log.ts";
import { accessLineOf, beginExchange, type Exchange } from "./exchange.ts";
import type { InFlight } from "./in-flight.ts";
import type { Vigil } from "./decision/vigil.ts";
import type { Judge, Verdict } from "./judge.ts";
import type { Activity } from "./sleep/activity.ts";
import { malformed, serverAway } from "./notice/answers.ts";
import { noticeOf, renderNotice, type Notice } from "./notice/notice.ts";
import { targetOf } from "./target.ts";
import { sendFile } from "./upstream/files.ts";
import type { Failure, HttpForwarder } from "./upstream/http.ts";
import { upgrade } from "./upstream/upgrade.ts";

export interface Entrance {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

interface Parts {
  readonly judge: Judge;
  readonly forwarder: HttpForwarder;
  readonly inFlight: InFlight;
  readonly vigil: Vigil;
  readonly activity: Pick<Activity, "enter">;
  readonly accessLog: AccessLog;
  readonly cookies: Cookies;
  readonly scheme: PublicOrigin["scheme"];
  readonly clock: Clock;
  readonly log: Log;
}

interface Sent {
  readonly status: number;
  readonly bytes: number;
}

// nginx's own number for a client that went away before its answer.
export const clientGoneStatus = 499;
const workloadHeadersTimeoutMs = 300_000;
const retryDelaysMs = [20, 100];
// A pod whose program has ended is known to the cluster, or runs again, within seconds.
const podRetryDelaysMs = [...retryDelaysMs, 300, 600, 1_000, 1_500, 1_500];
// RFC 9110, section 9.2.2.
const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** The way of a request: who asks, what is decided, the answer, one line in the access log. */
export function makeEntrance(parts: Parts): Entrance {
  const { judge, accessLog, clock, log } = parts;

  async function handle(
    request: IncomingMessage,
    isUpgrade: boolean,
    answer: (exchange: Exchange, next: () => Verdict) => Promise<Sent>,
  ): Promise<void> {
    const target = targetOf(request);
    const exchange = beginExchange(request, { target, isUpgrade, at: clock.now(), scheme: parts.scheme });
    let sent: Sent = { status: 500, bytes: 0 };
    try {
      const identified = target === null ? null : await judge.identify(exchange);
      sent = await answer(exchange, () =>
        identified === null ? { kind: "notice", notice: malformed } : judge.judge(exchange, identified),
      );
    } catch (error) {
      log.error({ requestId: exchange.requestId, error: messageOf(error) }, "a request failed in the gateway");
      request.socket.destroy();
    } finally {
      accessLog.write(accessLineOf(exchange, sent));
    }
  }

  return {
    request: (request, response) =>
      void handle(request, false, (exchange, next) => answerRequest(parts, { exchange, response, next })),
    upgrade: (request, socket, head) =>
      void handle(request, true, (exchange, next) => answerUpgrade(parts, { exchange, socket, head, next })),
  };
}

interface Answering {
  readonly exchange: Exchange;
  readonly response: ServerResponse;
  /** What is decided now: asked again before another try, for the route may have moved. */
  readonly next: () => Verdict;
}

async function answerRequest(parts: Parts, answering: Answering): Promise<Sent> {
  for (let attempt = 0; ;) {
    const verdict = answering.next();
    switch (verdict.kind) {
      case "notice":
        return sendNotice(answering, verdict.notice);
      case "files":
        return answerFile(answering, verdict);
      case "wait": {
        const notice = await verdict.until(goneSignal(answering.response));
        if (answering.response.destroyed) return { status: clientGoneStatus, bytes: 0 };
        if (notice) return sendNotice(answering, notice);
        break;
      }
      case "forward": {
        const outcome = await forwardRequest(parts, answering, { verdict, attempt });
        if (!("retryInMs" in outcome)) return outcome;
        await parts.clock.sleep(outcome.retryInMs);
        if (answering.response.destroyed) return { status: clientGoneStatus, bytes: 0 };
        attempt += 1;
        break;
      }
      default:
        return verdict satisfies never;
    }
  }
}

export function goneSignal(stream: ServerResponse | Duplex): AbortSignal {
  const gone = new AbortController();
  stream.once("close", () => gone.abort());
  return gone.signal;
}

/** Nobody reads the socket of an upgrade yet: its end is seen only by looking at what has come, which stays there. */
async function whileListening<Answer>(socket: Duplex, until: (gone: AbortSignal) => Promise<Answer>): Promise<Answer> {
  const look = (): void => void (socket.readableLength === 0 && socket.read());
  const end = (): void => void socket.destroy();
  socket.on("readable", look).on("end", end);
  try {
    return await until(goneSignal(socket));
  } finally {
    socket.off("readable", look).off("end", end);
  }
}

interface Forward {
  readonly verdict: Extract<Verdict, { kind: "forward" }>;
  readonly attempt: number;
}

/** Nothing of it was answered, and it may be tried again. */
interface Again {
  readonly retryInMs: number;
}

async function forwardRequest(
  parts: Parts,
  answering: Answering,
  { verdict, attempt }: Forward,
): Promise<Sent | Again> {
  const { exchange, response } = answering;
  const { request, target, requestId } = exchange;
  const { to, upstream, headers } = verdict;
  // Counted before anything can wait: whoever asks whether the address is idle must not be told so in between.
  const leave = enter(parts, verdict);
  const outcome = await parts.forwarder
    .forward({
      request,
      response,
      upstream,
      path: target.url,
      headers,
      requestId,
      cookies: to === "server" ? null : parts.cookies,
      // The server answers a push when it is deployed, however long that takes.
      headersTimeoutMs: to === "server" ? 0 : workloadHeadersTimeoutMs,
      watch: (end) => parts.vigil.watch(() => parts.judge.mayStay(exchange), end),
    })
    .finally(leave);
  if (outcome.kind !== "unanswered") return { status: response.statusCode, bytes: outcome.bytes };
  const { failure, isBodyTouched } = outcome;
  if (failure === "client-gone") return { status: clientGoneStatus, bytes: 0 };
  exchange.failedAt.push(upstream);
  const retryInMs = isBodyTouched || !mayTryAgain(exchange, failure) ? undefined : delaysOf(verdict, failure)[attempt];
  return retryInMs === undefined ? sendNotice(answering, failureNotice(failure, to)) : { retryInMs };
}

/** By then the route may lead elsewhere, and other pods may be ready; where none is, the request waits for one. */
function delaysOf(verdict: Forward["verdict"], failure: Failure): readonly number[] {
  const isToPods = verdict.to === "workload" && verdict.route.upstream.kind === "pods";
  return isToPods && failure === "refused" ? podRetryDelaysMs : retryDelaysMs;
}

function enter({ inFlight, activity }: Parts, verdict: Forward["verdict"], abort?: () => void): () => void {
  const leaves = [inFlight.enter(verdict.upstream, abort)];
  if (verdict.to === "workload") leaves.push(activity.enter(verdict.route));
  return () => {
    for (const leave of leaves) leave();
  };
}

/** Sent twice only where that is sure to mean the same as once. */
function mayTryAgain({ request }: Exchange, failure: Failure): boolean {
  // Nothing took the connection, so nothing was sent.
  if (failure === "refused") return true;
  if (failure === "timeout") return false;
  return idempotent.has(request.method ?? "") && !hasBody(request);
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function failureNotice(failure: Failure, to: "server" | "workload"): Notice {
  if (to === "server" && failure === "refused") return serverAway;
  if (failure === "timeout") {
    return noticeOf("UPSTREAM_TIMEOUT", {
      title: "No answer in time",
      detail: `The deployment took the request and did not answer within ${workloadHeadersTimeoutMs / 1000} s.`,
    });
  }
  return noticeOf("UPSTREAM_FAILED", {
    title: "No answer",
    detail:
      failure === "refused"
        ? "Nothing takes connections where this deployment should listen. It may be restarting; its logs say more."
        : "The deployment took the request and broke off without an answer. Its logs say more.",
  });
}

async function answerFile(
  answering: Answering,
  { upstream, rule }: Extract<Verdict, { kind: "files" }>,
): Promise<Sent> {
  const { exchange, response } = answering;
  const { request, target, requestId } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") {
    const notice = { title: "Only to be read", detail: "This is a site of files: GET and HEAD are what it answers." };
    return sendNotice(answering, {
      ...noticeOf("REQUEST_INVALID", { ...notice, headers: { Allow: "GET, HEAD" } }),
      status: 405,
    });
  }
  response.setHeader("X-Request-Id", requestId);
  const isPublic = rule.visibility === "public";
  if (await sendFile(upstream, { request, response, path: target.path, isPublic })) {
    return { status: response.statusCode, bytes: Number(response.getHeader("Content-Length") ?? 0) };
  }
  response.removeHeader("X-Request-Id");
  return sendNotice(
    answering,
    noticeOf("NOT_FOUND", { title: "No such page", detail: "This site has no file of that name." }),
  );
}

// What a client still sends after its answer is read and thrown away for so long.
const lingerMs = 30_000;

export function sendNotice(
  { exchange, response }: Pick<Answering, "exchange" | "response">,
  notice: Notice,
): Promise<Sent> {
  const { request, requestId, isNavigation } = exchange;
  const { status, headers, body } = renderNotice(notice, { isNavigation, requestId });
  // Whether the body follows is open after an answer that was no "100 Continue": the connection can carry no other request.
  if (request.headers.expect !== undefined) headers["Connection"] = "close";
  return new Promise((resolve) => {
    response.once("close", () => resolve({ status, bytes: Buffer.byteLength(body) }));
    response.writeHead(status, headers);
    response.end(request.method === "HEAD" ? "" : body);
    if (request.complete) return;
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), lingerMs).unref();
    request.once("close", () => clearTimeout(timer));
  });
}

interface Upgrading {
  readonly exchange: Exchange;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly next: () => Verdict;
}

async function answerUpgrade(parts: Parts, upgrading: Upgrading): Promise<Sent> {
  const { exchange, socket, next } = upgrading;
  socket.on("error", () => socket.destroy());
  for (let attempt = 0; ;) {
    const verdict = next();
    switch (verdict.kind) {
      case "notice":
        return refuseUpgrade(exchange, socket, verdict.notice);
      case "files":
        return refuseUpgrade(exchange, socket, onlyFiles);
      case "wait": {
        const notice = await whileListening(socket, verdict.until);
        if (socket.destroyed) return { status: clientGoneStatus, bytes: 0 };
        if (notice) return refuseUpgrade(exchange, socket, notice);
        break;
      }
      case "forward": {
        const outcome = await forwardUpgrade(parts, upgrading, { verdict, attempt });
        if (!("retryInMs" in outcome)) return outcome;
        const { retryInMs } = outcome;
        await whileListening(socket, (gone) => parts.clock.sleep(retryInMs, gone).catch(() => undefined));
        if (socket.destroyed) return { status: clientGoneStatus, bytes: 0 };
        attempt += 1;
        break;
      }
      default:
        return verdict satisfies never;
    }
  }
}

async function forwardUpgrade(
  parts: Parts,
  { exchange, socket, head }: Upgrading,
  { verdict, attempt }: Forward,
): Promise<Sent | Again> {
  const { request, target, requestId } = exchange;
  const { upstream, headers, to } = verdict;
  const end = (): void => void socket.destroy();
  const leave = enter(parts, verdict, end);
  const unwatch = parts.vigil.watch(() => parts.judge.mayStay(exchange), end);
  const cookies = to === "server" ? null : parts.cookies;
  const path = target.url;
  const outcome = await upgrade({ request, socket, head, upstream, path, headers, requestId, cookies }).finally(() => {
    unwatch();
    leave();
  });
  if (outcome.kind === "done") return outcome;
  const { failure } = outcome;
  if (failure === "client-gone") return { status: clientGoneStatus, bytes: 0 };
  exchange.failedAt.push(upstream);
  const retryInMs = failure === "refused" ? delaysOf(verdict, failure)[attempt] : undefined;
  return retryInMs === undefined ? refuseUpgrade(exchange, socket, failureNotice(failure, to)) : { retryInMs };
}

const onlyFiles = noticeOf("REQUEST_INVALID", { title: "Only files here", detail: "This site speaks no WebSocket." });

function refuseUpgrade({ requestId }: Exchange, socket: Duplex, notice: Notice): Sent {
  const { status, headers, body } = renderNotice(notice, { isNavigation: false, requestId });
  const lines = Object.entries({ ...headers, Connection: "close" }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} \r\n${lines.join("")}\r\n${body}`);
  return { status, bytes: Buffer.byteLength(body) };
}
