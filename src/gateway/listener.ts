import { createServer, type IncomingMessage, type Server } from "node:http";
import { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../core/clock.ts";
import type { Entrance } from "./entrance.ts";
import { pairsOf } from "./upstream/headers.ts";

/** Where to listen; a null host is every address of the machine. */
export interface Address {
  readonly port: number;
  readonly host: string | null;
}

export interface Listener {
  /** Handed over to the process that takes this one's place. */
  readonly server: Server;
  /** Takes connections on the port, or those of a socket that another process listened on. */
  listen(from: Address | NetServer): Promise<void>;
  isDraining(): boolean;
  /** Takes no more connections; resolves once those that are open have ended, at the latest after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
}

const headersTimeoutMs = 30_000;
// Longer than the minute after which load balancers drop an idle connection, so that they drop it and not we.
const keepAliveTimeoutMs = 75_000;
const maxHeaderBytes = 32 * 1024;
// Of a thousand that come at once Node would leave half to try again after a second; the system may allow fewer.
const backlog = 4_096;
const drainCheckMs = 50;

/** The public socket. What it hears goes to the entrance; parsing is Node's own, in its strict mode. */
export function makeListener({ entrance, clock }: { entrance: Entrance; clock: Clock }): Listener {
  let isDraining = false;
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    // A push or an upload may take hours: what must not last is a head, not a body.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
    maxHeaderSize: maxHeaderBytes,
    // RFC 9112, section 3.2, asks for it only from HTTP/1.1 clients; the entrance decides about the others.
    requireHostHeader: true,
    insecureHTTPParser: false,
  });
  server.on("request", (request, response) => {
    if (isDraining) response.shouldKeepAlive = false;
    entrance.request(request, response);
  });
  server.on("checkContinue", (request, response) => {
    if (isDraining) response.shouldKeepAlive = false;
    entrance.request(request, response);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isWebSocket(request)) entrance.upgrade(request, socket, head);
    else withoutUpgrade(server, request, socket, head);
  });

  return {
    server,
    isDraining: () => isDraining,
    listen: (from) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.once("listening", () => {
          server.off("error", reject);
          resolve();
        });
        if (from instanceof NetServer) server.listen(from);
        else server.listen({ port: from.port, backlog, ...(from.host !== null && { host: from.host }) });
      }),
    async drain(timeoutMs) {
      isDraining = true;
      // http.Server's own close would end idle connections now, on which a client may be sending its next request:
      // those get their answer with "Connection: close", or end by their ordinary timeout.
      NetServer.prototype.close.call(server);
      const endsAtMs = clock.now().getTime() + timeoutMs;
      while ((await connectionsOf(server)) > 0 && clock.now().getTime() < endsAtMs) await clock.sleep(drainCheckMs);
      server.closeAllConnections();
    },
  };
}

const connectionsOf = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)));

const isWebSocket = ({ headers, method }: IncomingMessage): boolean =>
  method === "GET" && (headers.upgrade ?? "").toLowerCase() === "websocket";

/**
 * An offer to change to a protocol that we do not speak (clients of Java and curl offer `h2c`) is no reason to refuse
 * the request (RFC 9110, section 7.8), but Node stops parsing at it: the head goes back without the offer.
 */
function withoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [...pairsOf(request.rawHeaders)]
    .filter(([name]) => !["upgrade", "http2-settings"].includes(name.toLowerCase()))
    .map(([name, value]) => `${name}: ${name.toLowerCase() === "connection" ? withoutOffer(value) : value}\r\n`);
  const text = `${request.method} ${request.url} HTTP/${request.httpVersion}\r\n${lines.join("")}\r\n`;
  socket.unshift(Buffer.concat([Buffer.from(text, "latin1"), head]));
  server.emit("connection", socket);
}

const withoutOffer = (options: string): string =>
  options
    .split(",")
    .map((option) => option.trim())
    .filter((option) => !/^(?:upgrade|http2-settings)$/i.test(option))
    .join(", ");
