import { randomBytes } from "node:crypto";
import { repositoryName } from "../core/names.ts";
import { Secret, withoutCredentials } from "../core/secret.ts";
import type { Clock } from "../core/clock.ts";
import type { Git } from "../git/git.ts";
import type { Connected, ConnectRequest } from "./release.ts";
import type { Watcher } from "./snapshots/watch.ts";
import type { ReleaseStore } from "./store.ts";

export interface WebhookSecret {
  readonly secret: Secret;
  /** Null for the newest, which is valid until another comes. */
  readonly validUntil: Date | null;
}

/** What opens a repository hosted elsewhere, and what proves that its webhooks are its own. */
export interface RemoteKeys {
  save(
    repository: string,
    keys: { credentials: Secret | null; webhookSecrets: readonly WebhookSecret[] },
  ): Promise<void>;
  credentials(repository: string): Promise<Secret | null>;
  /** Those that are valid now, the newest first. */
  webhookSecrets(repository: string): Promise<readonly WebhookSecret[]>;
}

interface ConnectParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly watcher: Watcher;
  readonly remoteKeys: RemoteKeys;
  readonly clock: Clock;
}

const connectTimeoutMs = 60_000;
const webhookSecretBytes = 32;
/** Time to give the forge the new one. */
const formerSecretMs = 24 * 60 * 60 * 1000;

/**
 * Starts to watch a repository hosted elsewhere; one that cannot be read leaves nothing behind. One that is
 * connected already keeps its credentials and its webhook secret, unless the request says otherwise.
 */
export async function connect(parts: ConnectParts, request: ConnectRequest): Promise<Connected> {
  const { git, store, watcher, remoteKeys } = parts;
  const name = repositoryName(request.name);
  const isAgain = git.exists(name) && (await git.open(name)).remoteUrl === withoutCredentials(request.url);
  const credentials = request.credentials
    ? new Secret(request.credentials)
    : isAgain && request.credentials === undefined
      ? await remoteKeys.credentials(name)
      : null;
  const repository = isAgain
    ? await git.open(name)
    : await git.createMirror(name, request.url, credentials ?? undefined);
  try {
    if (!isAgain) await repository.fetch(AbortSignal.timeout(connectTimeoutMs));
    const { head } = await repository.refs();
    const view = { name, url: repository.remoteUrl, defaultBranch: head, problem: null };
    await store.saveRepository(view);
    const known = isAgain ? await remoteKeys.webhookSecrets(name) : [];
    const webhookSecrets = known.length > 0 && !request.newSecret ? known : renewed(known, parts.clock.now());
    await remoteKeys.save(name, { credentials, webhookSecrets });
    await watcher.look(name, { actor: request.actor.name });
    const [newest, former] = webhookSecrets;
    const webhook = {
      path: `/webhooks/github/${name}`,
      secret: newest && webhookSecrets !== known ? newest.secret : null,
      formerValidUntil: former?.validUntil?.toISOString() ?? null,
    };
    return { ...view, wasConnected: isAgain, webhook };
  } catch (cause) {
    if (!isAgain) {
      await git.remove(name);
      await store.removeRepository(name);
    }
    throw cause;
  }
}

/** A new secret ahead of the others, of which the one that was newest is valid for a while. */
function renewed(known: readonly WebhookSecret[], now: Date): readonly WebhookSecret[] {
  const secret = new Secret(randomBytes(webhookSecretBytes).toString("base64url"));
  const until = new Date(now.getTime() + formerSecretMs);
  return [{ secret, validUntil: null }, ...known.map((one) => ({ ...one, validUntil: one.validUntil ?? until }))];
}
