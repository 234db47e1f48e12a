import { request as overHttp, type IncomingMessage } from "node:http";
import { request as overTls } from "node:https";
import { refusalHeader } from "../../authorization.ts";
import type { ClosedDoor, Reply } from "./verdict.ts";

const patienceMs = 10_000;

/** Asks as a browser that nobody has signed in with; by `entrance` where it is not found by the address itself. */
export function knock({ url, path }: ClosedDoor, entrance: string | null, signal: AbortSignal): Promise<Reply> {
  const { host, hostname } = new URL(url);
  const at = new URL(entrance ?? url);
  const options = {
    host: at.hostname.replaceAll(/^\[|\]$/g, ""),
    port: at.port === "" ? undefined : Number(at.port),
    path,
    headers: { host, accept: "text/html", "sec-fetch-mode": "navigate", "user-agent": "waybill-probe" },
    agent: false,
    signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
  };
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage): void => {
      response.destroy();
      resolve(replyOf(response));
    };
    // Nothing is sent that must stay secret, and a certificate may still be on its way.
    const trusting = { ...options, servername: hostname, rejectUnauthorized: false };
    const outgoing = at.protocol === "https:" ? overTls(trusting, read) : overHttp(options, read);
    outgoing.once("error", reject);
    outgoing.end();
  });
}

function replyOf({ statusCode = 0, headers }: IncomingMessage): Reply {
  const refusal = headers[refusalHeader.toLowerCase()];
  return {
    status: statusCode,
    location: headers.location ?? null,
    refusal: typeof refusal === "string" ? refusal : null,
  };
}
