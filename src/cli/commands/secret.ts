import type { SecretView } from "../../http/dependencies.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath, type Client } from "../client.ts";
import { chooseRepository } from "../repository-choice.ts";
import { readSecret } from "../secret-input.ts";
import { ago, painter, table } from "../terminal.ts";

export interface SecretOptions {
  readonly repository?: string;
  /** The environment's own value; without it the value is for all of the repository's. */
  readonly environment?: string;
}

const where = (repository: string, environment: string | null | undefined): string =>
  environment ? `${environment} of ${repository}` : `every environment of ${repository}`;

export async function setSecret(context: CommandContext, name: string, options: SecretOptions): Promise<void> {
  const { client, repository } = await start(context, options);
  const value = await readSecret(
    context.terminal,
    `Value of ${name} for ${where(repository, options.environment)} (not shown):`,
  );
  const body = { value: value.reveal(), environment: options.environment ?? null };
  const path = apiPath(["repositories", repository, "secrets", name]);
  const kept = await client.send<{ secret: SecretView }>("PUT", path, body);
  answer(context, kept, [
    `${name} is set for ${where(repository, options.environment)} (version ${kept.secret.version}). What uses it is deployed anew.`,
  ]);
}

export async function listSecrets(context: CommandContext, options: SecretOptions): Promise<void> {
  const { client, repository } = await start(context, options);
  const all = await client.list<SecretView>(apiPath(["repositories", repository, "secrets"]), "secrets");
  const secrets = all.filter(({ environment }) => !options.environment || environment === options.environment);
  const rows = secrets.map(({ name, environment, version, updatedAt }) =>
    [name, environment ?? "all", String(version), ago(updatedAt, context.now())].map((text) => ({ text })),
  );
  const lines = table(["NAME", "ENVIRONMENT", "VERSION", "SET"], rows, painter(context.terminal));
  answer(context, { secrets }, secrets.length > 0 ? lines : [`${repository} has no secrets.`]);
}

export async function removeSecret(context: CommandContext, name: string, options: SecretOptions): Promise<void> {
  const { client, repository } = await start(context, options);
  await client.send(
    "DELETE",
    apiPath(["repositories", repository, "secrets", name], { environment: options.environment }),
  );
  answer(context, { removed: name }, [`${name} is removed from ${where(repository, options.environment)}.`]);
}

async function start(
  context: CommandContext,
  { repository }: SecretOptions,
): Promise<{ client: Client; repository: string }> {
  const client = await context.connect();
  return { client, repository: await chooseRepository(client, context, repository) };
}
