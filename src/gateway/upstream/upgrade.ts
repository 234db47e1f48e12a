import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Cookies } from "../../access/proof/cookie.ts";
import type { Endpoint } from "../mirror.ts";
import { headersForClient, pairsOf, type RawHeaders } from "./headers.ts";
import { connectTimeoutMs, type Failure } from "./http.ts";

export interface Upgrading {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What the client sent behind its request's head. */
  readonly head: Buffer;
  readonly upstream: Endpoint;
  readonly path: string;
  readonly headers: RawHeaders;
  readonly requestId: string;
  readonly cookies: Cookies | null;
}

export type Upgraded =
  | { readonly kind: "done"; readonly status: number; readonly bytes: number }
  /** Nothing was answered. Refused: nothing was sent either, and what the client sent behind its request is still there. */
  | { readonly kind: "unanswered"; readonly failure: Exclude<Failure, "timeout"> };

const answerTimeoutMs = 60_000;

/** Hands a WebSocket over: once the upstream agrees, bytes pass both ways until either side ends. */
export function upgrade(upgrading: Upgrading): Promise<Upgraded> {
  const { request, socket, head, upstream, path, headers, requestId, cookies } = upgrading;
  return new Promise((resolve) => {
    const outgoing = httpRequest({
      host: upstream.hostname,
      port: upstream.port,
      method: request.method,
      path,
      headers: [...headers, "connection", "upgrade", "upgrade", request.headers.upgrade ?? "websocket"],
      agent: false,
      setHost: false,
      timeout: answerTimeoutMs,
    });
    const giveUp = (): void => void outgoing.destroy();
    socket.once("close", giveUp);
    const connecting = setTimeout(giveUp, connectTimeoutMs);
    let failure: "refused" | "broken" = "refused";
    const done = (status: number, bytes: number): void => resolve({ kind: "done", status, bytes });

    outgoing.once("socket", (far) =>
      far.once("connect", () => {
        clearTimeout(connecting);
        failure = "broken";
      }),
    );
    outgoing.once("timeout", giveUp);
    outgoing.once("error", () => {
      clearTimeout(connecting);
      socket.off("close", giveUp);
      resolve({ kind: "unanswered", failure: socket.destroyed ? "client-gone" : failure });
    });
    outgoing.once("upgrade", (answer, far, farHead) => {
      const isOurs = headersForClient(answer.rawHeaders, requestId, cookies);
      const kept = [...isOurs, "Connection", "Upgrade", "Upgrade", answer.headers.upgrade ?? "websocket"];
      socket.write(headOf(answer, kept));
      far.setTimeout(0);
      if (farHead.length > 0) socket.write(farHead);
      if (head.length > 0) far.write(head);
      join(socket, far, (bytes) => done(answer.statusCode ?? 101, bytes + farHead.length));
    });
    // The upstream declined: its answer is an ordinary one, after which this connection is of no more use.
    outgoing.once("response", (answer) => {
      const kept = headersForClient(answer.rawHeaders, requestId, cookies).concat("Connection", "close");
      socket.write(headOf(answer, kept));
      answer.on("error", () => socket.destroy());
      answer.once("end", () => done(answer.statusCode ?? 502, 0));
      answer.once("close", () => done(answer.statusCode ?? 502, 0));
      answer.pipe(socket);
    });
    outgoing.end();
  });
}

function headOf({ statusCode, statusMessage }: IncomingMessage, headers: RawHeaders): string {
  const lines = [...pairsOf(headers)].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join("")}\r\n`;
}

// What the other side still has to read when one side is through.
const flushMs = 10_000;

function join(near: Duplex, far: Duplex, done: (bytesToClient: number) => void): void {
  let bytes = 0;
  far.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    // A WebSocket is closed in its own words, not by half: whoever has ended will say nothing more that matters.
    from.once("end", () => soon(from, () => [near, far].forEach((socket) => socket.destroy())));
    from.once("close", () => finish(to));
  }
  far.once("close", () => done(bytes));
}

/** Lets what was written go out, then closes: the last words of one side must reach the other. */
function finish(socket: Duplex): void {
  soon(socket, () => socket.destroy());
  socket.end(() => socket.destroy());
}

/** Unless the socket has closed by then. */
function soon(socket: Duplex, act: () => void): void {
  const timer = setTimeout(act, flushMs).unref();
  socket.once("close", () => clearTimeout(timer));
}
