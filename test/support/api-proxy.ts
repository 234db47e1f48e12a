import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../src/core/clock.ts";
import { openConnection } from "../../src/targets/kubernetes/cluster/connection.ts";
import { kubeconfigPath } from "./cluster.ts";

/** What the proxy does with a request instead of passing it on. */
export type Fault =
  | {
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  /** The connection ends, and no answer comes. */
  | "cut"
  /** It is passed on and done; the answer is lost. Not for a watch, whose answer has no end. */
  | "lost"
  /** A watch begins, and says at once that it comes too late. */
  | "expired";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly isWatch: boolean;
}

export interface Answered extends Asked {
  readonly status: number;
}

/** Stands before the API server of KUBECONFIG (or of another identity's) and fails as it is told to. */
export async function startApiProxy({ kubeconfig = kubeconfigPath() } = {}) {
  const upstream = await openConnection({ kubeconfig }, systemClock);
  const watches = new Set<ServerResponse>();
  const asked: Asked[] = [];
  const answered: Answered[] = [];
  let faultOf: (asked: Asked) => Fault | null = () => null;

  async function pass(request: IncomingMessage, response: ServerResponse, isLost: boolean): Promise<void> {
    const { headers, agent } = await upstream.access("watch");
    const { hostname, port, protocol } = upstream.server;
    const { authorization: _, host: __, connection: ___, ...own } = request.headers;
    const options = {
      agent,
      host: hostname,
      port,
      method: request.method,
      path: request.url,
      headers: { ...own, ...headers },
    };
    const sent = protocol === "http:" ? httpRequest(options) : httpsRequest(options);
    sent.on("error", () => response.destroy());
    response.on("close", () => sent.destroy());
    sent.on("response", (answer) => {
      answered.push({ ...askedOf(request), status: answer.statusCode ?? 502 });
      answer.on("error", () => response.destroy());
      if (isLost) answer.resume().on("end", () => request.socket.destroy());
      else answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers));
    });
    request.pipe(sent);
  }

  function fail(fault: Exclude<Fault, "lost">, request: IncomingMessage, response: ServerResponse): void {
    if (fault === "cut") return void request.socket.destroy();
    if (fault === "expired") {
      const object = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version" };
      return void response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
    }
    const { status, reason = "InternalError", message = `injected ${status}`, retryAfterSeconds } = fault;
    const headers = retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) };
    const body = { kind: "Status", code: status, reason, message };
    request.resume();
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const one = askedOf(request);
    const { isWatch } = one;
    asked.push(one);
    if (isWatch) watches.add(response);
    response.on("close", () => watches.delete(response));
    const fault = faultOf(one);
    if (fault === "lost" && isWatch) return fail("cut", request, response);
    if (fault !== null && fault !== "lost") fail(fault, request, response);
    else pass(request, response, fault === "lost").catch(() => response.destroy());
  };

  let server: Server = createServer(answer);
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    kubeconfig: JSON.stringify({
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
    asked,
    /** What came back of what was passed on. */
    answered,
    failWith(fault: (asked: Asked) => Fault | null): void {
      faultOf = fault;
    },
    cutWatches(): void {
      for (const watch of watches) watch.destroy();
    },
    /** Away as a killed API server is, and back. */
    stop,
    async restart(): Promise<void> {
      server = createServer(answer);
      await listen(port);
    },
    async [Symbol.asyncDispose]() {
      await stop();
      upstream.close();
    },
  };
}

function askedOf({ method = "GET", url: path = "/" }: IncomingMessage): Asked {
  return { method, path, isWatch: path.includes("watch=true") };
}
