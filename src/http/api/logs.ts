import type { LogLine } from "../../targets/workload.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { WaybillError } from "../../core/errors.ts";
import { eventStream, streamResponse } from "../event-stream.ts";
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
    query: logQuery,
    answer: { status: 200, mediaType: "text/plain" },
    async handle(call) {
      const request = readLogRequest(call);
      const stack = stackOf(call);
      await visibleDeployment(dependencies, actorOf(call), stack);
      return logResponse(call, request, (signal) =>
        dependencies.logs(stack, {
          lines: request.lines,
          follow: request.follow,
          signal: AbortSignal.any([signal, dependencies.signal]),
        }),
      );
    },
  },
];

interface LogCall {
  readonly lines: number;
  readonly follow: boolean;
  readonly format: "text" | "ndjson" | "events";
}

/** A log in the form that was asked for, as it comes. */
export function logResponse(
  call: Call,
  { format, follow }: LogCall,
  open: (signal: AbortSignal) => AsyncIterable<LogLine>,
): Response {
  if (format === "events") return eventStream(call.request, (signal) => asEvents(open(signal)));
  return streamResponse(call.request, open, {
    ...encoders[format],
    encodeError: (code, message) =>
      format === "ndjson" ? `${JSON.stringify({ code, message })}\n` : `${code} ${message}\n`,
    // Clients and proxies give up on a body that is silent for minutes; readers of NDJSON skip empty lines.
    heartbeat: follow && format === "ndjson" ? "\n" : null,
  });
}

export function readLogRequest({ url }: Call): LogCall {
  const format = url.searchParams.get("format") ?? "text";
  if (format !== "text" && format !== "ndjson" && format !== "events") {
    throw new WaybillError(
      "REQUEST_INVALID",
      `format is ${JSON.stringify(format.slice(0, 40))}, not text, ndjson or events`,
    );
  }
  const follow = url.searchParams.get("follow");
  return {
    lines: readInteger(url.searchParams, "lines", { min: 0, max: maxLines }) ?? defaultLines,
    follow: follow !== null && follow !== "false" && follow !== "0",
    format,
  };
}

async function* asEvents(lines: AsyncIterable<LogLine>): AsyncGenerator<{ event: string; data: LogLine }> {
  for await (const line of lines) yield { event: "line", data: line };
}
