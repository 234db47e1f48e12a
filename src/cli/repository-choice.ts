import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DeploymentView, RepositoryView } from "../release/views.ts";
import type { CommandContext } from "./command.ts";
import { WaybillError } from "../core/errors.ts";
import { apiPath, type Client } from "./client.ts";

const run = promisify(execFile);

export interface Choice {
  readonly repository?: string;
  readonly environment?: string;
}

export const defaultEnvironment = "production";

/** Which repository is meant: the one named, the one that this folder pushes to, or the only one there is. */
export async function chooseRepository(client: Client, { terminal }: CommandContext, named?: string): Promise<string> {
  if (named !== undefined) return named;
  const pushed = await repositoryOfFolder(terminal.cwd, client.url);
  if (pushed !== null) return pushed;
  const known = await client.list<RepositoryView>(apiPath(["repositories"]), "repositories");
  const names = known.map(({ name }) => name);
  const [only, second] = names;
  if (only !== undefined && second === undefined) return only;
  const remedy = `git remote add waybill ${client.url}/git/NAME.git`;
  if (only === undefined)
    throw new WaybillError("NOT_FOUND", `${client.url} has no repository yet: push one (${remedy})`);
  throw new WaybillError(
    "USAGE",
    `no remote of this folder says which repository is meant: give --repository ${names.join(" | ")}`,
  );
}

/** NAME of the folder's Git remote that is `URL/git/NAME.git` on this server; null without one. */
export async function repositoryOfFolder(folder: string, serverUrl: string): Promise<string | null> {
  const { stdout } = await run("git", ["remote", "-v"], { cwd: folder }).catch(() => ({ stdout: "" }));
  for (const line of stdout.split("\n")) {
    const name = repositoryOfRemote(line.split(/\s/)[1] ?? "", serverUrl);
    if (name !== null) return name;
  }
  return null;
}

export function repositoryOfRemote(remote: string, serverUrl: string): string | null {
  if (!URL.canParse(remote)) return null;
  const url = new URL(remote);
  if (placeOf(url) !== placeOf(new URL(serverUrl))) return null;
  return /^\/git\/([a-z0-9-]+)\.git\/?$/.exec(url.pathname)?.[1] ?? null;
}

const loopback = new Set(["localhost", "127.0.0.1", "[::1]"]);
const placeOf = ({ protocol, hostname, port }: URL): string =>
  `${protocol}//${loopback.has(hostname) ? "localhost" : hostname}:${port}`;

/** The one deployment of this name in the environment. */
export async function findDeployment(
  context: CommandContext,
  client: Client,
  name: string,
  choice: Choice,
): Promise<DeploymentView> {
  const environment = choice.environment ?? defaultEnvironment;
  const all = await client.list<DeploymentView>(
    apiPath(["deployments"], { environment, repository: choice.repository }),
    "deployments",
  );
  const found = all.filter((one) => one.name === name);
  const [first, second] = found;
  if (!first) {
    const names = all.map((one) => one.name).join(", ") || "none";
    throw new WaybillError(
      "NOT_FOUND",
      `there is no deployment ${name} in ${environment} that you may see (there: ${names})`,
    );
  }
  if (!second) return first;
  const repository = await chooseRepository(client, context);
  return found.find((one) => one.repository === repository) ?? first;
}

/** The API's path of a deployment, and of what hangs below it. */
export const deploymentPath = ({ repository, environment, name }: DeploymentView, ...below: string[]): string =>
  apiPath(["repositories", repository, "environments", environment, "deployments", name, ...below]);
