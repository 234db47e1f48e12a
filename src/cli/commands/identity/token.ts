import { answer, type CommandContext } from "../../command.ts";
import { apiPath } from "../../client.ts";
import { ago, painter, table } from "../../terminal.ts";

interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly owner: string | null;
  readonly role: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

export interface TokenOptions {
  readonly role?: string;
  readonly expiresInDays?: number;
  readonly service?: boolean;
}

/** Only the token goes to standard output, so that a script can keep it: `TOKEN=$(waybill token create ci)`. */
export async function createToken(context: CommandContext, name: string, options: TokenOptions): Promise<void> {
  const client = await context.connect();
  const created = await client.send<{ token: string }>("POST", apiPath(["tokens"]), { name, ...options });
  answer(context, created, [created.token]);
  if (!context.json)
    context.terminal.err("This is the only time that it is shown. Git takes it as password, with any user name.");
}

export async function listTokens(context: CommandContext): Promise<void> {
  const client = await context.connect();
  const tokens = await client.list<TokenView>(apiPath(["tokens"]), "tokens");
  const rows = tokens.map(({ id, name, owner, role, expiresAt, lastUsedAt }) =>
    [
      name,
      owner ?? "",
      role,
      lastUsedAt === null ? "never" : ago(lastUsedAt, context.now()),
      expiresAt?.slice(0, 10) ?? "never",
      id,
    ].map((text) => ({ text })),
  );
  const lines = table(["NAME", "FOR", "ROLE", "USED", "EXPIRES", "ID"], rows, painter(context.terminal));
  answer(context, { tokens }, tokens.length > 0 ? lines : ["There are no tokens."]);
}

export async function revokeToken(context: CommandContext, id: string): Promise<void> {
  const client = await context.connect();
  await client.send("DELETE", apiPath(["tokens", id]));
  answer(context, { revoked: id }, ["The token is revoked."]);
}

export interface InviteOptions {
  readonly role?: string;
  readonly group?: readonly string[];
}

export async function invite(context: CommandContext, name: string, { role, group }: InviteOptions): Promise<void> {
  const client = await context.connect();
  const body = { name, ...(role === undefined ? {} : { role }), ...(group === undefined ? {} : { groups: group }) };
  const invited = await client.send<{ link: string; expiresAt: string }>("POST", apiPath(["users"]), body);
  answer(context, invited, [invited.link]);
  if (!context.json) context.terminal.err(`It signs ${name} in once, until ${invited.expiresAt.slice(0, 10)}.`);
}
