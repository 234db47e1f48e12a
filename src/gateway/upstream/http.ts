import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { Pool, errors, type Dispatcher } from "undici";
import type { Cookies } from "../../access/proof/cookie.ts";
import type { Endpoint } from "../mirror.ts";
import { headersForClient, pairsOf, type RawHeaders } from "./headers.ts";

export type Failure = "refused" | "broken" | "timeout" | "client-gone";

export type Outcome =
  | { readonly kind: "done"; readonly bytes: number }
  /** Nothing was answered yet: another answer can be given, or the request sent again. */
  | { readonly kind: "unanswered"; readonly failure: Failure; readonly isBodyTouched: boolean }
  /** The answer broke off in the middle, and so did the client's connection. */
  | { readonly kind: "cut"; readonly bytes: number };

export interface Forwarding {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upstream: Endpoint;
  readonly path: string;
  readonly headers: RawHeaders;
  readonly requestId: string;
  /** Ours, to keep an upstream from setting them; null where the upstream is the server itself. */
  readonly cookies: Cookies | null;
  /** 0: for as long as it takes. */
  readonly headersTimeoutMs: number;
  /** Told of an answer that has no end in sight, with how to end it; answers what to call when it is over. */
  readonly watch: (end: () => void) => () => void;
}

export interface HttpForwarder {
  forward(forwarding: Forwarding): Promise<Outcome>;
  /** Closes connections that are kept to addresses no longer used. */
  forget(isUsed: (upstream: string) => boolean): void;
  close(): Promise<void>;
}

export const connectTimeoutMs = 5_000;
// Shorter than any server keeps an idle connection (Gunicorn: 2 s), so that a request seldom meets a closing one.
const idleConnectionMs = 1_500;

/** Sends requests on by a pool of connections for each address; nothing is buffered in either direction. */
export function makeHttpForwarder(): HttpForwarder {
  const pools = new Map<string, Pool>();

  function poolFor({ hostname, port }: Endpoint): Pool {
    const name = hostname.includes(":") ? `[${hostname}]` : hostname;
    const origin = `http://${name}:${port}`;
    const known = pools.get(origin);
    if (known) return known;
    const pool = new Pool(origin, {
      connect: { timeout: connectTimeoutMs },
      keepAliveTimeout: idleConnectionMs,
      keepAliveMaxTimeout: 60_000,
      bodyTimeout: 0,
      pipelining: 1,
      // Node's own default for what a server sends is 16 KiB; applications with many cookies need more.
      maxHeaderSize: 64 * 1024,
    });
    pools.set(origin, pool);
    return pool;
  }

  return {
    forward: (forwarding) => forward(poolFor(forwarding.upstream), forwarding),
    forget(isUsed) {
      for (const [origin, pool] of pools) {
        if (isUsed(origin.slice("http://".length))) continue;
        pools.delete(origin);
        void pool.close();
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

function forward(pool: Pool, forwarding: Forwarding): Promise<Outcome> {
  const { request, response, path, headers, headersTimeoutMs } = forwarding;
  return new Promise((resolve) => {
    const body = hasBody(request) ? makeBody(request, response) : null;
    const relay = makeRelay(forwarding, () => body?.isTouched() ?? false, settle);

    function settle(outcome: Outcome): void {
      relay.unwatch();
      response.off("close", relay.clientGone);
      resolve(outcome);
    }

    response.once("close", relay.clientGone);
    try {
      pool.dispatch(
        {
          path,
          method: request.method ?? "GET",
          headers: [...headers],
          body: body?.stream ?? null,
          headersTimeout: headersTimeoutMs,
        },
        relay.handler,
      );
    } catch (error) {
      relay.handler.onResponseError(null, error);
    }
  });
}

/** Carries one answer from the upstream to the client, at the pace of the slower. */
function makeRelay(
  { response, requestId, cookies, watch }: Forwarding,
  isBodyTouched: () => boolean,
  settle: (outcome: Outcome) => void,
) {
  let controller: Dispatcher.DispatchController | null = null;
  let isClientGone = false;
  let bytes = 0;
  let unwatch = (): void => undefined;

  function clientGone(): void {
    if (response.writableFinished) return;
    isClientGone = true;
    controller?.abort(new Error("the client went away"));
  }

  const handler = {
    onRequestStart(started: Dispatcher.DispatchController) {
      controller = started;
      if (isClientGone) started.abort(new Error("the client went away"));
    },
    onResponseStart(started: Dispatcher.DispatchController, status: number, _: unknown, message?: string) {
      // Interim answers (RFC 9110, section 15.2) are hints that may be dropped; the final one follows.
      if (status < 200) return;
      const raw = toText(started.rawHeaders);
      const kept = headersForClient(raw, requestId, cookies);
      response.writeHead(status, message && /^[\t\x20-\x7e]*$/.test(message) ? message : "", kept);
      response.flushHeaders();
      // Event streams, logs that are followed, long-polled updates: they may go on for days.
      if (!hasLength(raw)) unwatch = watch(() => response.destroy());
    },
    onResponseData(started: Dispatcher.DispatchController, chunk: Buffer) {
      bytes += chunk.length;
      if (response.write(chunk)) return;
      started.pause();
      response.once("drain", () => started.resume());
    },
    onResponseEnd(ended: Dispatcher.DispatchController) {
      const trailers = [...pairsOf(toText(ended.rawTrailers))];
      if (trailers.length > 0) response.addTrailers(trailers.map(([name, value]) => [name, value] as [string, string]));
      response.end();
      settle({ kind: "done", bytes });
    },
    onResponseError(_: unknown, error: unknown) {
      if (response.headersSent) {
        // A truncated answer must not look whole: the connection ends without its last chunk.
        response.destroy();
        settle({ kind: "cut", bytes });
      } else {
        const failure = isClientGone || response.destroyed ? "client-gone" : failureOf(error);
        settle({ kind: "unanswered", failure, isBodyTouched: isBodyTouched() });
      }
    },
  };
  return { handler, clientGone, unwatch: () => unwatch() };
}

const hasLength = (raw: RawHeaders): boolean =>
  raw.some((name, index) => index % 2 === 0 && name.toLowerCase() === "content-length");

const refusals = new Set(["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

function failureOf(error: unknown): Failure {
  if (error instanceof errors.HeadersTimeoutError) return "timeout";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return refusals.has(code) ? "refused" : "broken";
}

function toText(raw: unknown): string[] {
  return Array.isArray(raw)
    ? raw.map((part: unknown) => (Buffer.isBuffer(part) ? part.toString("latin1") : String(part)))
    : [];
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

/** The request's body, read only as fast as it is sent on. Unlike the request itself it can be given up alone. */
function makeBody(request: IncomingMessage, response: ServerResponse) {
  let isTouched = false;
  async function* chunks(): AsyncGenerator<Buffer> {
    isTouched = true;
    // Only now is it known that somebody reads: a client that asked first has not sent its body for nothing.
    if (request.headers.expect !== undefined) response.writeContinue();
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  }
  return { stream: Readable.from(chunks(), { objectMode: false }), isTouched: () => isTouched };
}
