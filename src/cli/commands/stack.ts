import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath, type Client } from "../client.ts";
import { chooseRepository, defaultEnvironment, type Choice } from "../repository-choice.ts";

/** Prints the state: for a file, or for a pipe into `pulumi stack import`. */
export async function exportStack(
  context: CommandContext,
  name: string,
  options: Choice & { readonly showSecrets?: boolean },
): Promise<void> {
  const client = await context.connect();
  const path = await stackPath(context, client, { ...options, name });
  const state = await client.get<object>(`${path}?showSecrets=${options.showSecrets === true}`);
  context.terminal.out(JSON.stringify(state, null, 2));
}

export async function importStack(context: CommandContext, name: string, options: Choice & { file: string }) {
  const state = await readState(resolve(context.terminal.cwd, options.file));
  const client = await context.connect();
  await client.send("PUT", await stackPath(context, client, { ...options, name }), state);
  const environment = options.environment ?? defaultEnvironment;
  answer(context, { imported: name, environment }, [`${name} in ${environment} has the state of ${options.file} now.`]);
}

async function stackPath(
  context: CommandContext,
  client: Client,
  { name, repository, environment }: Choice & { readonly name: string },
): Promise<string> {
  const chosen = await chooseRepository(client, context, repository);
  const parts = ["environments", environment ?? defaultEnvironment, "deployments", name, "stack"];
  return apiPath(["repositories", chosen, ...parts]);
}

async function readState(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new WaybillError("USAGE", `${path} is no state: ${messageOf(cause)}`, { cause });
  }
}
