import type { LogRequest } from "../../targets/target.ts";
import type { LogLine } from "../../targets/workload.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { WaybillError } from "../../core/errors.ts";
import { eventStream, streamResponse, type StreamEvent } from "../event-stream.ts";
import { readInteger } from "../paging.ts";
import { actorOf, type Call, type Route } from "../route.ts";
import { deploymentRoot, stackOf, visibleDeployment } from "./deployments.ts";

const defaultLines = 200;
const maxLines = 10_000;

/** A program's log is written by anybody: no line may move the cursor of a terminal that shows it. */
const printable = (text: string): string => text.replaceAll(/[^\t\P{Cc}]/gu, "");

const encoders = {
  text: { mediaType: "text/plain; charset=utf-8", encode: ({ at, text }: LogLine) => `${at} ${printable(text)}\n` },
  ndjson: { mediaType: "application/x-ndjson", encode: (line: LogLine) => `${JSON.stringify(line)}\n` },
} as const;

export const logQuery = {
  lines: {
    type: "integer",
    description: `How many of the last lines; ${defaultLines} by default, at most ${maxLines}.`,
  },
  follow: { type: "boolean", description: "Go on with what is said from now on." },
  format: { type: "string", description: "text (by default), ndjson or events." },
} as const satisfies Route["query"];

export const logRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  {
    method: "GET",
    path: `${deploymentRoot}/logs`,
    audience: "member",
    voice: "api",
    summary: "A deployment's log: plain text, NDJSON or server-sent events",
    query: {
      ...logQuery,
      text: { type: "string", description: "Only lines that hold this text, letter for letter." },
      since: { type: "string", description: "Only lines said at this time (ISO 8601) or later." },
      previous: { type: "boolean", description: "What containers said before they were last started. In a cluster." },
      pod: { type: "string", description: "Only this pod's lines: its name, or how that ends. In a cluster." },
    },
    answer: { status: 200, mediaType: "text/plain" },
    async handle(call) {
      const request = readLogRequest(call);
      const stack = stackOf(call);
      await visibleDeployment(dependencies, actorOf(call), stack);
      return logResponse(call, request, (signal) =>
        dependencies.logs(stack, { ...request.log, signal: AbortSignal.any([signal, dependencies.signal]) }),
      );
    },
  },
];

interface ReadLogRequest {
  readonly log: Omit<LogRequest, "signal">;
  readonly format: "text" | "ndjson" | "events";
}

/** A log in the form that was asked for, as it comes. A browser comes back to a stream of events unless it is told `end`. */
export function logResponse(
  call: Call,
  { format, log }: ReadLogRequest,
  open: (signal: AbortSignal) => AsyncIterable<LogLine>,
  isOver: () => boolean = () => false,
): Response {
  if (format === "events") return eventStream(call.request, (signal) => asEvents(open(signal), isOver));
  return streamResponse(call.request, open, {
    ...encoders[format],
    encodeError: (code, message) =>
      format === "ndjson" ? `${JSON.stringify({ code, message })}\n` : `${code} ${message}\n`,
    // Clients and proxies give up on a body that is silent for minutes; readers of NDJSON skip empty lines.
    heartbeat: log.follow && format === "ndjson" ? "\n" : null,
  });
}

export function readLogRequest({ url }: Call): ReadLogRequest {
  const format = url.searchParams.get("format") ?? "text";
  if (format !== "text" && format !== "ndjson" && format !== "events") {
    throw new WaybillError(
      "REQUEST_INVALID",
      `format is ${JSON.stringify(format.slice(0, 40))}, not text, ndjson or events`,
    );
  }
  const isSet = (name: string): boolean => !["", "false", "0"].includes(url.searchParams.get(name) ?? "");
  const [follow, previous] = [isSet("follow"), isSet("previous")];
  if (follow && previous) {
    throw new WaybillError("REQUEST_INVALID", "follow and previous are both asked for: what has ended says no more");
  }
  const [text, pod] = [url.searchParams.get("text"), url.searchParams.get("pod")];
  const since = readTime(url.searchParams, "since");
  const lines = readInteger(url.searchParams, "lines", { min: 0, max: maxLines }) ?? defaultLines;
  return {
    log: { lines, follow, previous, ...(text && { text }), ...(pod && { pod }), ...(since && { since }) },
    format,
  };
}

function readTime(query: URLSearchParams, name: string): Date | null {
  const text = query.get(name);
  if (text === null || text === "") return null;
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text))) return new Date(text);
  throw new WaybillError(
    "REQUEST_INVALID",
    `${name} is ${JSON.stringify(text.slice(0, 40))}, not a time such as 2026-03-01T12:00:00Z`,
  );
}

async function* asEvents(lines: AsyncIterable<LogLine>, isOver: () => boolean): AsyncGenerator<StreamEvent> {
  for await (const line of lines) yield { event: "line", data: line };
  if (isOver()) yield { event: "end", data: {} };
}
