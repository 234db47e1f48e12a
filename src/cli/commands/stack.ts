import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath, type Client } from "../client.ts";
import { chooseRepository, defaultEnvironment, type Choice } from "../repository-choice.ts";

export interface ExportOptions extends Choice {
  readonly showSecrets?: boolean;
  /** What `pulumi stack export` prints of the stack that the state is for. */
  readonly into?: string;
}

/**
 * Prints the state: for a file, or for a pipe into `pulumi stack import`. That command takes secrets, shown as they
 * are, only in a state that says how the stack that it is for seals them; that is what `--into` is read for.
 */
export async function exportStack(context: CommandContext, name: string, options: ExportOptions): Promise<void> {
  const { into, showSecrets = into !== undefined } = options;
  const target = into === undefined ? null : ((await readState(resolve(context.terminal.cwd, into))) as State);
  const client = await context.connect();
  const path = await stackPath(context, client, { ...options, name });
  const state = await client.get<State>(`${path}?showSecrets=${showSecrets}`);
  context.terminal.out(JSON.stringify(target === null ? state : sealedLike(state, target), null, 2));
}

interface State {
  readonly deployment?: { readonly secrets_providers?: object };
}

function sealedLike(state: State, { deployment }: State): State {
  const { secrets_providers: sealing } = deployment ?? {};
  if (sealing === undefined)
    throw new WaybillError("USAGE", "--into: the file does not say how its stack seals secrets");
  return { ...state, deployment: { ...state.deployment, secrets_providers: sealing } };
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
