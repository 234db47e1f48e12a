import type { LogLine } from "../../targets/workload.ts";
import type { CommandContext } from "../command.ts";
import { WaybillError } from "../../core/errors.ts";
import { deploymentPath, findDeployment, type Choice } from "../repository-choice.ts";
import { painter, printable, type Paint } from "../terminal.ts";

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
  const paint = painter(context.terminal);
  for await (const text of client.lines(`${deploymentPath(found, "logs")}?${query.toString()}`)) {
    // An empty line only keeps the connection alive.
    if (text === "") continue;
    const line = JSON.parse(text) as LogLine | { code: string; message: string };
    if ("code" in line) throw new WaybillError("SERVER_UNREACHABLE", `the log broke off: ${line.code} ${line.message}`);
    context.terminal.out(context.json ? text : lineOf(line, paint));
  }
}

const lineOf = ({ at, stream, text }: LogLine, paint: Paint): string => {
  const isProgram = stream === "stdout" || stream === "stderr";
  const said = isProgram ? printable(text) : paint("cyan", `${stream}: ${printable(text)}`);
  return `${paint("dim", at.slice(0, 19))} ${said}`;
};
