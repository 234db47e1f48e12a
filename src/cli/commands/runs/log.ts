import { apiPath } from "../../client.ts";
import type { CommandContext } from "../../command.ts";
import { printLog } from "../logs.ts";

// The API's own limit.
const mostLines = 10_000;

/**
 * Prints a run's log; `--json` prints a line of JSON each. One line more than is wanted is asked for, so that it can be
 * said where some are left out; what is followed comes as it comes.
 */
export async function log(
  context: CommandContext,
  id: string,
  { follow = false, lines }: { follow?: boolean; lines: number },
): Promise<void> {
  const { terminal, json } = context;
  const client = await context.connect();
  const asked = follow ? lines : Math.min(lines + 1, mostLines);
  const query = { format: "ndjson", lines: String(asked), ...(follow && { follow: "true" }) };
  const path = apiPath(["runs", id, "logs"], query);
  if (follow) return printLog({ client, terminal, print: terminal.out, isRaw: json }, path);
  const found: string[] = [];
  await printLog({ client, terminal, print: (line) => found.push(line), isRaw: json }, path);
  if (found.length > lines) terminal.err(`these are the last ${lines} lines: -n ${mostLines} prints more of them`);
  for (const line of found.slice(Math.max(0, found.length - lines))) terminal.out(line);
}
