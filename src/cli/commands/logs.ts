import type { LogLine } from "../../targets/workload.ts";
import type { CommandContext } from "../command.ts";
import { WaybillError } from "../../core/errors.ts";
import { deploymentPath, findDeployment, type Choice } from "../repository-choice.ts";
import { painter, printable, type Paint, type Terminal } from "../terminal.ts";
import type { Client } from "../client.ts";

export interface LogsOptions extends Choice {
  readonly follow?: boolean;
  readonly lines: number;
}

/** Prints the last lines, and then, with `--follow`, what is said until it is interrupted. `--json` prints a line of JSON each. */
export async function logs(context: CommandContext, name: string, options: LogsOptions): Promise<void> {
  const client = await context.connect();
  const found = await findDeployment(context, client, name, options);
  const query = new URLSearchParams({
    format: "ndjson",
    lines: String(options.lines),
    ...(options.follow && { follow: "true" }),
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
    if ("code" in line) throw new WaybillError("SERVER_UNREACHABLE", `the log broke off: ${line.code} ${line.message}`);
    print(isRaw ? text : lineOf(line, paint));
  }
}

const lineOf = ({ at, stream, text }: LogLine, paint: Paint): string => {
  const isProgram = stream === "stdout" || stream === "stderr";
  const said = isProgram ? printable(text) : paint("cyan", `${stream}: ${printable(text)}`);
  return `${paint("dim", at.slice(0, 19))} ${said}`;
};
