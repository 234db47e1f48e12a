import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { areEqualBytes } from "../../core/secret.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { StackName } from "../../core/stack.ts";
import type { InFlight } from "../in-flight.ts";
import type { Endpoint, Mirror } from "../mirror.ts";
import type { Activity } from "../sleep/activity.ts";

/** One thing that the control channel can be asked for: the body's fields in, the answer's fields out. */
export type Action = (body: Record<string, unknown>, signal: AbortSignal) => Promise<object>;

export interface ControlServer {
  readonly port: number;
  readonly secret: string;
  close(): void;
}

const maxBodyBytes = 1024 * 1024;

/** HTTP on loopback, for whoever knows the secret. */
export async function listenForControl(actions: Readonly<Record<string, Action>>, log: Log): Promise<ControlServer> {
  const secret = randomBytes(32).toString("base64url");
  const server = createServer((request, response) => void answer(request, response, { actions, secret, log }));
  const port = await listen(server);
  return {
    port,
    secret,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { actions, secret, log }: { actions: Readonly<Record<string, Action>>; secret: string; log: Log },
): Promise<void> {
  const action = actions[(request.url ?? "").slice(1)];
  const given = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${secret}`);
  if (!areEqualBytes(given, wanted) || action === undefined) {
    response.writeHead(404).end();
    return;
  }
  const left = new AbortController();
  response.once("close", () => left.abort());
  try {
    const result = JSON.stringify(await action(await bodyOf(request), left.signal));
    response.writeHead(200, { "Content-Type": "application/json" }).end(result);
  } catch (error) {
    log.warn({ action: request.url, error: messageOf(error) }, "a control call failed");
    response.writeHead(500, { "Content-Type": "text/plain" }).end(messageOf(error));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error("the body of a control call is too long");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8") || "{}") as Record<string, unknown>;
}

// The database answers within this, or what is held counts.
const refreshTimeoutMs = 1_000;

/**
 * Resolves once no route leads to the address and nothing is under way there, or when the time has passed; WebSocket
 * connections, which may stay for days, are ended then. Answers how many requests are left.
 */
export function makeDrained({ mirror, inFlight }: { mirror: Mirror; inFlight: InFlight }): Action {
  return async ({ hostname, port, timeoutMs }, signal) => {
    const upstream: Endpoint = { hostname: String(hostname), port: Number(port) };
    const late = AbortSignal.any([signal, AbortSignal.timeout(Number(timeoutMs))]);
    // A route that was moved before this call was made may not be known here yet: read it rather than wait for the news.
    await refreshed(mirror, mirror.hostsTo(upstream));
    await untilRoutes(mirror, () => mirror.hostsTo(upstream).length === 0, late);
    await inFlight.idle(upstream, late);
    const left = inFlight.count(upstream);
    if (!signal.aborted) inFlight.endUpgraded(upstream);
    return { inFlight: left };
  };
}

/**
 * Resolves once every new request for the deployment waits here and none is under way, or when the time has passed.
 * Answers how many requests are under way: nought says that nothing can reach the deployment.
 */
export function makeQuiet({ mirror, activity }: { mirror: Mirror; activity: Activity }): Action {
  return async ({ repository, environment, deployment, timeoutMs }, signal) => {
    const stack: StackName = {
      repository: String(repository),
      environment: String(environment),
      deployment: String(deployment),
    };
    const late = AbortSignal.any([signal, AbortSignal.timeout(Number(timeoutMs))]);
    const isParking = (): boolean => mirror.routesOf(stack).every(({ sleep }) => sleep !== undefined);
    if (!isParking())
      await refreshed(
        mirror,
        mirror.routesOf(stack).map(({ host }) => host),
      );
    await untilRoutes(mirror, isParking, late);
    await activity.idle(stack, late);
    return { inFlight: isParking() ? activity.count(stack) : Math.max(1, activity.count(stack)) };
  };
}

/** Resolves once the deployment's routes are in force here as the database has them, or when that takes too long. */
export function makeTold({ mirror }: { mirror: Mirror }): Action {
  return async ({ repository, environment, deployment, hosts }) => {
    const stack = { repository: String(repository), environment: String(environment), deployment: String(deployment) };
    const held = mirror.routesOf(stack).map(({ host }) => host);
    await refreshed(mirror, [...new Set([...held, ...(Array.isArray(hosts) ? hosts.map(String) : [])])]);
    return {};
  };
}

async function refreshed(mirror: Mirror, hosts: readonly string[]): Promise<void> {
  if (hosts.length === 0) return;
  const tooLong = new Promise<void>((resolve) => setTimeout(resolve, refreshTimeoutMs).unref());
  await Promise.race([mirror.refreshRoutes(hosts).catch(() => undefined), tooLong]);
}

function untilRoutes(mirror: Mirror, holds: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = mirror.onChange(settle);
    signal.addEventListener("abort", settle);
    settle();
    function settle(): void {
      if (!holds() && !signal.aborted) return;
      stop();
      signal.removeEventListener("abort", settle);
      resolve();
    }
  });
}
