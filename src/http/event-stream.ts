import { asWaybillError } from "../core/errors.ts";

/** One message of an event stream (WHATWG HTML, section 9.2). */
export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

// Proxies close what is silent for 30 to 60 seconds.
const heartbeatMs = 15_000;

interface StreamOptions<Item> {
  readonly mediaType: string;
  readonly encode: (item: Item) => string;
  /** Said when nothing else was for a while; null for a stream that stays silent. */
  readonly heartbeat: string | null;
  readonly encodeError: (code: string, message: string) => string;
}

/** Streams what `open` yields until it ends, or the reader leaves: then its signal aborts. */
export function streamResponse<Item>(
  request: Request,
  open: (signal: AbortSignal) => AsyncIterable<Item>,
  options: StreamOptions<Item>,
): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([gone.signal, request.signal]);
  const encoder = new TextEncoder();
  let heartbeat: NodeJS.Timeout | undefined;
  const items = open(signal)[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const { heartbeat: text } = options;
      if (text === null) return;
      controller.enqueue(encoder.encode(text));
      heartbeat = setInterval(() => {
        // A reader that does not read gets no heartbeats piled up for it.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(text));
      }, heartbeatMs).unref();
      signal.addEventListener("abort", () => clearInterval(heartbeat), { once: true });
    },
    async pull(controller) {
      try {
        const next = await items.next();
        if (!next.done) return controller.enqueue(encoder.encode(options.encode(next.value)));
      } catch (thrown) {
        const error = asWaybillError(thrown);
        if (!signal.aborted) controller.enqueue(encoder.encode(options.encodeError(error.code, error.message)));
      }
      clearInterval(heartbeat);
      if (!gone.signal.aborted) controller.close();
    },
    async cancel() {
      clearInterval(heartbeat);
      gone.abort();
      await items.return?.();
    },
  });
  return new Response(body, {
    headers: { "content-type": options.mediaType, "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

const frame = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** An event stream that a browser's EventSource reads and reconnects to. */
export function eventStream(request: Request, open: (signal: AbortSignal) => AsyncIterable<StreamEvent>): Response {
  let id = 0;
  return streamResponse(request, open, {
    mediaType: "text/event-stream",
    encode: ({ event, data }) => frame(event, data, ++id),
    encodeError: (code, message) => frame("failure", { code, message }),
    heartbeat: ": still here\n\n",
  });
}
