import type { RepositoryView } from "../../release/views.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath } from "../client.ts";
import { readSecret } from "../secret-input.ts";

export interface ConnectOptions {
  readonly name?: string;
  /** Read `user:password` or a token for the repository's host. */
  readonly credentials?: boolean;
}

interface Connected {
  readonly repository: RepositoryView;
  readonly webhook: { readonly url: string; readonly secret: string };
}

export async function connectRepository(context: CommandContext, url: string, options: ConnectOptions): Promise<void> {
  const client = await context.connect();
  const credentials = options.credentials
    ? (await readSecret(context.terminal, "Credentials (not shown):")).reveal()
    : null;
  const body = { url, credentials, ...(options.name === undefined ? {} : { name: options.name }) };
  const connected = await client.send<Connected>("POST", apiPath(["repositories"]), body);
  const { name, defaultBranch, problem } = connected.repository;
  answer(context, connected, [
    `${name} is watched: what is pushed to ${defaultBranch} is deployed.`,
    ...(problem === null ? [] : [`But it cannot be read yet: ${problem}`]),
    "To deploy without waiting for the next look, make a GitHub webhook for pushes, with content type application/json:",
    `  ${connected.webhook.url}`,
    `  secret ${connected.webhook.secret} (shown this once)`,
  ]);
}

export async function rebuild(context: CommandContext): Promise<void> {
  const client = await context.connect();
  const counts = await client.send<Record<"repositories" | "environments" | "deployments", number>>(
    "POST",
    apiPath(["rebuild"]),
  );
  answer(context, counts, [
    `Read ${counts.repositories} repositories again: ${counts.deployments} deployments in ${counts.environments} environments should run.`,
  ]);
}
