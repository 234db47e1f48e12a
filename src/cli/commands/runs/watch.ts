import type { RunView } from "../../../runs/view.ts";
import { apiPath, type Client } from "../../client.ts";
import type { CommandContext } from "../../command.ts";
import { printLog } from "../logs.ts";
import { answerRun } from "./show.ts";

const failed = 1;

/** Prints a run's log until it has ended, and then how it ended; answers the exit status. */
export async function watchRun(context: CommandContext, client: Client, id: string): Promise<number> {
  const { terminal, json } = context;
  // What is said meanwhile is no part of the one document that a script reads.
  const print = (text: string): void => (json ? undefined : terminal.out(text));
  await printLog(
    { client, terminal, print },
    apiPath(["runs", id, "logs"], { follow: "true", lines: "10000", format: "ndjson" }),
  );
  const { run } = await client.get<{ run: RunView }>(apiPath(["runs", id]));
  answerRun(context, run);
  return run.state === "Completed" ? 0 : failed;
}
