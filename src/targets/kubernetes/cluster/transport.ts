import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import { backoffMs } from "../../../core/waiting/backoff.ts";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { conflictsIn, errorOf, isStatus, isUnexplained } from "./cluster-error.ts";
import type { Connection, Use } from "./connection.ts";

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  /** For errors: `apply Deployment shop/ranker`. */
  readonly doing: string;
  readonly signal: AbortSignal;
}

/** Calls to the API server. Each must be one that may be made twice: what fails on the way is tried again. */
export interface Transport {
  /** The answer's body. Throws ClusterError for any status but 2xx. */
  call(call: Call): Promise<string>;
  /** The answer as it comes, for watches and logs. Not tried again. Ends when the signal aborts. */
  stream(call: Call): Promise<IncomingMessage>;
}

interface TransportDependencies {
  readonly connection: Connection;
  readonly clock: Clock;
  /** How long one call is tried again while the API server is away or overloaded. */
  readonly patienceMs: number;
  /** Rejects when this server may change nothing any more. */
  readonly mayChange?: () => Promise<void>;
}

// One answer takes milliseconds; admission webhooks may hold it for 30 s at most.
const attemptTimeoutMs = 35_000;
const firstRetryMs = 100;
const maxRetryMs = 5_000;
const maxRetryAfterMs = 30_000;
const unexplainedRetries = 3;
const conflictRetries = 8;

export function makeTransport({ connection, clock, patienceMs, mayChange }: TransportDependencies): Transport {
  async function attempt(call: Call): Promise<string> {
    // At each attempt: this process may have stood still since the last one.
    if (call.method !== "GET") await mayChange?.();
    const timeout = AbortSignal.timeout(attemptTimeoutMs);
    // A change that is on its way is not called back: nobody would know whether it was made.
    const signal = call.method === "GET" ? AbortSignal.any([call.signal, timeout]) : timeout;
    const response = await send(connection, call, { use: "call", signal });
    const body = await text(response);
    if (isOk(response)) return body;
    throw Object.assign(errorOf(response.statusCode ?? 0, body, call.doing), { after: retryAfterOf(response) });
  }

  async function call(wanted: Call): Promise<string> {
    const startMs = clock.now().getTime();
    for (let failures = 1; ; failures++) {
      wanted.signal.throwIfAborted();
      try {
        return await attempt(wanted);
      } catch (error) {
        wanted.signal.throwIfAborted();
        const delayMs = retryDelayMs(error, failures, wanted);
        const spentMs = clock.now().getTime() - startMs;
        if (delayMs === null || spentMs + delayMs > patienceMs) throw final(error, wanted, connection);
        if (isStatus(error, 401)) connection.forget();
        await clock.sleep(delayMs, wanted.signal);
      }
    }
  }

  async function stream(wanted: Call): Promise<IncomingMessage> {
    try {
      const response = await send(connection, wanted, { use: "watch", signal: wanted.signal });
      if (isOk(response)) return response;
      if (response.statusCode === 401) connection.forget();
      throw errorOf(response.statusCode ?? 0, await text(response), wanted.doing);
    } catch (error) {
      wanted.signal.throwIfAborted();
      throw final(error, wanted, connection);
    }
  }
  return { call, stream };
}

const isOk = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode < 300;

/** Null: not to be tried again. */
function retryDelayMs(error: unknown, failures: number, { method }: Call): number | null {
  if (!(error instanceof WaybillError)) return jittered(failures);
  if (isStatus(error, 401)) return failures === 1 ? 0 : null;
  // Someone else wrote at the same moment: what is applied stays what is wanted.
  const isRace = isStatus(error, 409) && conflictsIn(error).length === 0;
  if (method === "PATCH" && isRace) return failures <= conflictRetries ? jittered(failures) : null;
  if (isUnexplained(error)) return failures <= unexplainedRetries ? jittered(failures) : null;
  if (error.code !== "CLUSTER_BUSY") return null;
  return afterOf(error) ?? jittered(failures);
}

/** Spread out, so that all that were turned away together do not come back together. */
function jittered(failures: number): number {
  const fullMs = backoffMs({ failures, firstMs: firstRetryMs, maxMs: maxRetryMs });
  return Math.round(fullMs * (0.5 + Math.random() / 2));
}

const afterOf = (error: WaybillError): number | null =>
  "after" in error && typeof error.after === "number" ? error.after : null;

function retryAfterOf({ headers }: IncomingMessage): number | null {
  const seconds = Number(headers["retry-after"]);
  return headers["retry-after"] === undefined || !Number.isFinite(seconds)
    ? null
    : Math.min(maxRetryAfterMs, seconds * 1_000);
}

function final(error: unknown, { doing }: Call, { server }: Connection): WaybillError {
  if (error instanceof WaybillError) return error;
  return new WaybillError(
    "CLUSTER_UNREACHABLE",
    `${doing}: the API server at ${server.host} does not answer: ${messageOf(error)}`,
    { cause: error },
  );
}

interface Sending {
  readonly use: Use;
  readonly signal: AbortSignal;
}

async function send(connection: Connection, call: Call, { use, signal }: Sending): Promise<IncomingMessage> {
  const { headers, agent } = await connection.access(use);
  const { server } = connection;
  const { method, path, body, contentType = "application/json" } = call;
  const options: RequestOptions = {
    agent,
    method,
    host: server.hostname,
    port: server.port,
    path: `${server.pathname.replace(/\/$/, "")}${path}`,
    headers: {
      Accept: "application/json",
      "User-Agent": "waybill",
      ...headers,
      ...(body !== undefined && { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body) }),
    },
    signal,
  };
  return new Promise((resolve, reject) => {
    const request = server.protocol === "http:" ? httpRequest(options) : httpsRequest(options);
    request.once("response", resolve).once("error", reject).end(body);
  });
}
