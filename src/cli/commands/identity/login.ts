import type { Identity } from "../../../core/identity.ts";
import { answer, type CommandContext } from "../../command.ts";
import { apiPath, makeClient } from "../../client.ts";
import { findLogin, keepLogin, normalUrl } from "../../kept-login.ts";
import { readSecret } from "../../secret-input.ts";

/** Asks for a token, or takes one from a pipe; keeps it once the server knows it. */
export async function login(context: CommandContext, address: string | undefined): Promise<void> {
  const { terminal } = context;
  const url = address === undefined ? (await findLogin(terminal.env)).url : normalUrl(address);
  if (terminal.stdin.isTTY) terminal.err(`Make a token at ${url}/account, and bring it here.`);
  const token = await readSecret(terminal, "Token (not shown):");
  const client = makeClient({ url, token }, terminal.signal);
  const { identity } = await client.get<{ identity: Identity }>(apiPath(["me"]));
  const file = await keepLogin(terminal.env, url, token);
  answer(context, { url, identity }, [`You are ${identity.name} (${identity.role}) on ${url}. Kept in ${file}.`]);
}
