import type { IncomingMessage } from "node:http";
import { answerOf } from "./answer.ts";
import { errorOf } from "./cluster-error.ts";
import type { KubeObject, WatchEvent } from "./object.ts";
import type { Transport } from "./transport.ts";

interface Watch {
  readonly path: string;
  readonly doing: string;
  readonly signal: AbortSignal;
  /** When the API server ends it by itself. */
  readonly lifeSeconds: number;
}

// A connection that nobody closed, as when a machine on the way was switched off, must end some time after that.
const graceMs = 15_000;

/** The events of one watch, until it ends. An ERROR event is thrown as the ClusterError that it says: 410 is "expired". */
export async function* eventsOf<Kind extends KubeObject>(
  transport: Transport,
  { path, doing, signal, lifeSeconds }: Watch,
): AsyncGenerator<WatchEvent<Kind>> {
  const life = new AbortController();
  const timer = setTimeout(() => life.abort(), lifeSeconds * 1_000 + graceMs);
  const response = await transport
    .stream({ method: "GET", path, doing, signal: AbortSignal.any([signal, life.signal]) })
    .catch((error: unknown) => {
      clearTimeout(timer);
      throw error;
    });
  try {
    for await (const line of linesOf(response)) {
      const event = answerOf(line) as WatchEvent<Kind> | WatchFailure;
      if (event.type === "ERROR") throw errorOf(event.object.code ?? 500, JSON.stringify(event.object), doing);
      yield event;
    }
  } catch (error) {
    signal.throwIfAborted();
    // Cut off in the middle is an end like any other: what was not read is asked for again.
    if (!isCut(error) && !life.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
    response.destroy();
  }
}

interface WatchFailure {
  readonly type: "ERROR";
  readonly object: { readonly code?: number };
}

// What Node says of a connection that ended before the answer did.
const cutCodes = new Set(["ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "EPIPE", "ETIMEDOUT"]);

const isCut = (error: unknown): boolean =>
  error instanceof Error && "code" in error && cutCodes.has(String(error.code));

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
