import { repositoryName } from "../core/names.ts";
import { Secret } from "../core/secret.ts";
import type { Git } from "../git/git.ts";
import type { Release } from "./release.ts";
import type { Watcher } from "./snapshots/watch.ts";
import type { ReleaseStore } from "./store.ts";

interface ConnectParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly watcher: Watcher;
  /** Keeps the credentials of a repository hosted elsewhere. */
  readonly keepCredentials: (repository: string, credentials: Secret) => Promise<void>;
}

const connectTimeoutMs = 60_000;

type ConnectRequest = Parameters<Release["connect"]>[0];

/** Starts to watch a repository hosted elsewhere. */
export async function connect(parts: ConnectParts, { name, url, credentials, actor }: ConnectRequest) {
  const { git, store, watcher } = parts;
  const repository = repositoryName(name);
  const secret = credentials === null ? undefined : new Secret(credentials);
  const made = await git.createMirror(repository, url, secret);
  try {
    // Read once before anything is kept: an address that does not answer leaves nothing behind.
    await made.fetch(AbortSignal.timeout(connectTimeoutMs));
  } catch (cause) {
    await git.remove(repository);
    throw cause;
  }
  if (secret) await parts.keepCredentials(name, secret);
  const { head } = await made.refs();
  await store.saveRepository({ name, url, defaultBranch: head, problem: null });
  await watcher.look(name, actor.name);
  return { name, url, defaultBranch: head, problem: null };
}
