import type { RepositoryView } from "../../release/views.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath } from "../client.ts";
import { readSecret } from "../secret-input.ts";

export interface ConnectOptions {
  readonly name?: string;
  /** Read `user:password` or a token for the repository's host. */
  readonly credentials?: boolean;
  readonly newSecret?: boolean;
}

interface Connected {
  readonly repository: RepositoryView;
  readonly wasConnected: boolean;
  readonly webhook: {
    readonly url: string;
    readonly secret: string | null;
    readonly formerValidUntil: string | null;
  };
}

export async function connectRepository(context: CommandContext, url: string, options: ConnectOptions): Promise<void> {
  const client = await context.connect();
  const credentials = options.credentials
    ? (await readSecret(context.terminal, "Credentials (not shown):")).reveal()
    : undefined;
  const body = {
    url,
    ...(credentials !== undefined && { credentials }),
    ...(options.name !== undefined && { name: options.name }),
    ...(options.newSecret && { newSecret: true }),
  };
  const connected = await client.send<Connected>("POST", apiPath(["repositories"]), body);
  const { name, defaultBranch, problem } = connected.repository;
  const watched = `${name} is watched: what is pushed to ${defaultBranch} is deployed.`;
  answer(context, connected, [
    connected.wasConnected
      ? `${name} was connected already.${credentials ? " Its credentials are replaced." : ""}`
      : watched,
    ...(problem === null ? [] : [`But it cannot be read yet: ${problem}`]),
    ...webhookLines(connected.webhook),
  ]);
}

function webhookLines({ url, secret, formerValidUntil }: Connected["webhook"]): readonly string[] {
  if (secret === null) return [`Its webhook ${url} keeps its secret; --new-secret makes another.`];
  return [
    "To deploy without waiting for the next look, make a GitHub webhook for pushes, with content type application/json:",
    `  ${url}`,
    `  secret ${secret} (shown this once)`,
    ...(formerValidUntil === null ? [] : [`The secret before is valid until ${formerValidUntil}.`]),
  ];
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
