import type { LogLine } from "../../targets/workload.ts";
import type { CommandContext } from "../command.ts";
import { WaybillError } from "../../core/errors.ts";
import { deploymentPath, findDeployment, type Choice } from "../repository-choice.ts";
import { painter, printable, type Paint, type Terminal } from "../terminal.ts";
import type { Client } from "../client.ts";

export interface LogsOptions extends Choice {
  readonly follow?: boolean;
  readonly lines: number;
  readonly grep?: string;
  readonly since?: Date;
  readonly previous?: boolean;
  readonly pod?: string;
}

/** Prints the last lines, and then, with `--follow`, what is said until it is interrupted. `--json` prints a line of JSON each. */
export async function logs(context: CommandContext, name: string, options: LogsOptions): Promise<void> {
  const client = await context.connect();
  const found = await findDeployment(context, client, name, options);
  const query = new URLSearchParams({
    format: "ndjson",
    lines: String(options.lines),
    ...(options.follow && { follow: "true" }),
    ...(options.grep !== undefined && { text: options.grep }),
    ...(options.since && { since: options.since.toISOString() }),
    ...(options.previous && { previous: "true" }),
    ...(options.pod !== undefined && { pod: options.pod }),
  });
  const { terminal, json } = context;
  const path = `${deploymentPath(found, "logs")}?${query.toString()}`;
  await printLog({ client, terminal, print: terminal.out, isRaw: json }, path);
}

interface LogPrinter {
  readonly client: Client;
  readonly terminal: Terminal;
  readonly print: (line: string) => void;
  /** As lines of JSON. */
  readonly isRaw?: boolean;
}

/** Prints the log that the path answers as NDJSON, as it comes. */
export async function printLog({ client, terminal, print, isRaw = false }: LogPrinter, path: string): Promise<void> {
  const paint = painter(terminal);
  for await (const text of client.lines(path)) {
    // An empty line only keeps the connection alive.
    if (text === "") continue;
    const line = JSON.parse(text) as LogLine | { code: string; message: string };
    if ("code" in line) throw brokenOff(line);
    print(isRaw ? text : lineOf(line, paint));
  }
}

const ofRequest = ["REQUEST_INVALID", "NOT_FOUND"] as const;

function brokenOff({ code, message }: { readonly code: string; readonly message: string }): WaybillError {
  const own = ofRequest.find((known) => known === code);
  return own
    ? new WaybillError(own, message)
    : new WaybillError("SERVER_UNREACHABLE", `the log broke off: ${code} ${message}`);
}

const lineOf = ({ at, stream, text, pod }: LogLine, paint: Paint): string => {
  const isProgram = stream === "stdout" || stream === "stderr";
  const said = isProgram ? printable(text) : paint("cyan", `${stream}: ${printable(text)}`);
  // What a pod's name ends with tells it from the others of its revision.
  const from = pod === undefined ? "" : ` ${pod.slice(pod.lastIndexOf("-") + 1)}`;
  return `${paint("dim", `${at.slice(0, 19)}${from}`)} ${said}`;
};
