import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";

export interface Listening {
  /** The port in use: the one asked for, or a free one for 0. */
  readonly port: number;
  /** Takes nothing new, lets what is under way finish for `graceMs`, then cuts it off. */
  close(): Promise<void>;
}

interface ListenOptions {
  readonly port: number;
  readonly hostname: string;
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
}

const defaultGraceMs = 5_000;
const sweepMs = 25;
// A push of a large repository may be silent for long while Git counts and compresses.
const requestTimeoutMs = 0;

/** Anything that answers requests: the app, in the first place. */
interface Answering {
  readonly fetch: (request: Request) => Promise<Response> | Response;
}

export async function listen({ fetch }: Answering, options: ListenOptions): Promise<Listening> {
  const server = createAdaptorServer({
    fetch,
    // The process belongs to serve.ts: its globals stay as Node made them.
    overrideGlobalObjects: false,
    serverOptions: { requestTimeout: requestTimeoutMs },
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.hostname, () => {
      server.off("error", reject);
      resolve();
    });
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= new Promise((resolve, reject) => {
      server.close((error) => (error ? reject(error) : resolve()));
      if (!("closeIdleConnections" in server)) return;
      // A connection kept alive is idle only once its last answer is out.
      const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
      const cutOff = setTimeout(() => server.closeAllConnections(), options.graceMs ?? defaultGraceMs);
      server.once("close", () => {
        clearInterval(sweep);
        clearTimeout(cutOff);
      });
    }));
  options.signal?.addEventListener("abort", () => void close(), { once: true });
  const { port } = server.address() as AddressInfo;
  return { port, close };
}
