import type { RunView } from "../../../runs/view.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { CommandContext } from "../../command.ts";
import { deploymentPath, findDeployment, type Choice } from "../../repository-choice.ts";
import { readDelay, readParameters, type ParameterOptions } from "./parameters.ts";
import { answerRun } from "./show.ts";
import { watchRun } from "./watch.ts";

export interface StartOptions extends Choice, ParameterOptions {
  readonly name?: string;
  readonly at?: string;
  readonly in?: string;
  readonly callback?: string;
  readonly watch?: boolean;
}

/** Starts a run; with `--watch` the exit status is 0 only when it completed. */
export async function start(context: CommandContext, job: string, options: StartOptions): Promise<number> {
  const { name, at, callback, watch } = options;
  const body = {
    parameters: await readParameters(context.terminal, options),
    ...(name !== undefined && { name }),
    ...(at !== undefined && { at: readTime(at) }),
    ...(options.in !== undefined && { in: readDelay(options.in) }),
    ...(callback !== undefined && { callback }),
  };
  const client = await context.connect();
  const found = await findDeployment(context, client, job, options);
  const { run } = await client.send<{ run: RunView }>("POST", deploymentPath(found, "runs"), body);
  if (watch) return watchRun(context, client, run.id);
  answerRun(context, run);
  return 0;
}

function readTime(text: string): string {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new WaybillError("USAGE", `--at ${JSON.stringify(text)} is no time: wanted is 2026-01-31T18:00:00Z`);
}
