import { request as overHttp, type Agent, type IncomingMessage } from "node:http";
import { request as overTls } from "node:https";
import { probeHeader, refusalHeader } from "../../authorization.ts";
import { redirects, type ProbedDoor, type Reply } from "./verdict.ts";

const patienceMs = 10_000;

/**
 * Asks as a browser that nobody has signed in with; by `entrance` where it is not found by the address itself. An agent
 * keeps the connection for the next question.
 */
export const makeKnock =
  (agent?: Agent) =>
  (door: ProbedDoor, entrance: string | null, signal: AbortSignal): Promise<Reply> =>
    knock({ door, entrance, agent }, signal);

interface Question {
  readonly door: ProbedDoor;
  readonly entrance: string | null;
  readonly agent: Agent | undefined;
}

function knock({ door: { url, path, isPublic }, entrance, agent }: Question, signal: AbortSignal): Promise<Reply> {
  const { host, hostname } = new URL(url);
  const at = new URL(entrance ?? url);
  const options = {
    host: at.hostname.replaceAll(/^\[|\]$/g, ""),
    port: at.port === "" ? undefined : Number(at.port),
    path,
    headers: {
      host,
      accept: "text/html",
      "sec-fetch-mode": "navigate",
      "user-agent": "waybill-probe",
      ...(isPublic && { [probeHeader]: "1" }),
    },
    signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
  };
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage): void => {
      resolve(replyOf(response));
      // Its body is read for nothing but the connection's sake, and only where Waybill wrote it.
      if (agent !== undefined && redirects.has(response.statusCode ?? 0)) response.resume();
      else response.destroy();
    };
    // Nothing is sent that must stay secret, and a certificate may still be on its way.
    const trusting = { ...options, agent: false as const, servername: hostname, rejectUnauthorized: false };
    const plain = { ...options, agent: agent ?? (false as const) };
    const outgoing = at.protocol === "https:" ? overTls(trusting, read) : overHttp(plain, read);
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
