import type { RunView } from "../../../runs/view.ts";
import { apiPath } from "../../client.ts";
import type { CommandContext } from "../../command.ts";
import { answerRun } from "./show.ts";
import { watchRun } from "./watch.ts";

interface ActOptions {
  readonly what: "cancel" | "retry" | "rerun";
  readonly newest?: boolean;
  readonly watch?: boolean;
}

/** Cancels, retries or reruns; answers the exit status. */
export async function act(context: CommandContext, id: string, options: ActOptions): Promise<number> {
  const { what, newest = false, watch = false } = options;
  const client = await context.connect();
  const body = what === "rerun" ? { revision: newest ? "newest" : "same" } : undefined;
  const { run } = await client.send<{ run: RunView }>("POST", apiPath(["runs", id, what]), body);
  if (watch) return watchRun(context, client, run.id);
  answerRun(context, run);
  return 0;
}
