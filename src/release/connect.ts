import { randomBytes } from "node:crypto";
import { repositoryName } from "../core/names.ts";
import { Secret, withoutCredentials } from "../core/secret.ts";
import type { Git } from "../git/git.ts";
import type { Connected, Release } from "./release.ts";
import type { Watcher } from "./snapshots/watch.ts";
import type { ReleaseStore } from "./store.ts";

/** What opens a repository hosted elsewhere, and what proves that its webhooks are its own. */
export interface RemoteKeys {
  save(repository: string, keys: { credentials: Secret | null; webhookSecret: Secret }): Promise<void>;
  credentials(repository: string): Promise<Secret | null>;
  /** Those that are valid now. */
  webhookSecrets(repository: string): Promise<readonly Secret[]>;
}

interface ConnectParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly watcher: Watcher;
  readonly remoteKeys: Pick<RemoteKeys, "save">;
}

const connectTimeoutMs = 60_000;
const webhookSecretBytes = 32;

type ConnectRequest = Parameters<Release["connect"]>[0];

/**
 * Starts to watch a repository hosted elsewhere; one that cannot be read leaves nothing behind. Connecting the same
 * address again replaces its credentials and its webhook secret.
 */
export async function connect(parts: ConnectParts, request: ConnectRequest): Promise<Connected> {
  const { git, store, watcher, remoteKeys } = parts;
  const name = repositoryName(request.name);
  const credentials = request.credentials === null ? null : new Secret(request.credentials);
  const webhookSecret = new Secret(randomBytes(webhookSecretBytes).toString("base64url"));
  const isAgain = git.exists(name) && (await git.open(name)).remoteUrl === withoutCredentials(request.url);
  const repository = isAgain
    ? await git.open(name)
    : await git.createMirror(name, request.url, credentials ?? undefined);
  try {
    if (!isAgain) await repository.fetch(AbortSignal.timeout(connectTimeoutMs));
    const { head } = await repository.refs();
    const view = { name, url: repository.remoteUrl, defaultBranch: head, problem: null };
    await store.saveRepository(view);
    await remoteKeys.save(name, { credentials, webhookSecret });
    await watcher.look(name, { actor: request.actor.name });
    return { ...view, webhook: { path: `/webhooks/github/${name}`, secret: webhookSecret } };
  } catch (cause) {
    if (!isAgain) {
      await git.remove(name);
      await store.removeRepository(name);
    }
    throw cause;
  }
}
