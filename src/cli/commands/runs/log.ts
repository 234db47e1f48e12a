import { apiPath } from "../../client.ts";
import type { CommandContext } from "../../command.ts";
import { printLog } from "../logs.ts";

/** Prints a run's log; `--json` prints a line of JSON each. */
export async function log(
  context: CommandContext,
  id: string,
  { follow, lines }: { follow?: boolean; lines: number },
): Promise<void> {
  const { terminal, json } = context;
  const client = await context.connect();
  const query = { format: "ndjson", lines: String(lines), ...(follow && { follow: "true" }) };
  await printLog({ client, terminal, print: terminal.out, isRaw: json }, apiPath(["runs", id, "logs"], query));
}
