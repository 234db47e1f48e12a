import type { RepositoryName } from "../core/names.ts";
import type { Log } from "../core/log.ts";
import { readUrl } from "./bare-repository.ts";
import { makeObjectCache, type ObjectCache } from "./objects/cache.ts";
import type { Remote } from "./remote/address.ts";
import { makeMirror } from "./remote/mirror.ts";
import { makeRepository, type Repository } from "./repository.ts";

/** The repositories in use: each opened once, its objects remembered for all who read it. */
export interface OpenRepositories {
  open(name: RepositoryName, path: string): Promise<Repository>;
  openQuarantine(name: RepositoryName, path: string, env: Readonly<Record<string, string>>): Repository;
  close(name: RepositoryName): Promise<void>;
  closeAll(): Promise<void>;
}

export interface OpenRepositoriesOptions {
  readonly remoteFor: (name: RepositoryName, url: string) => Promise<Remote>;
  readonly log: Log;
}

export function makeOpenRepositories({ remoteFor, log }: OpenRepositoriesOptions): OpenRepositories {
  const opened = new Map<RepositoryName, Promise<Repository>>();
  const caches = new Map<RepositoryName, ObjectCache>();

  function cacheOf(name: RepositoryName): ObjectCache {
    const cache = caches.get(name) ?? makeObjectCache();
    caches.set(name, cache);
    return cache;
  }

  async function openNew(name: RepositoryName, path: string): Promise<Repository> {
    const url = await readUrl(path);
    const mirror = url === null ? null : makeMirror({ path, remote: () => remoteFor(name, url), log });
    return makeRepository({ path, name, cache: cacheOf(name), mirror });
  }

  async function close(name: RepositoryName): Promise<void> {
    const repository = await opened.get(name)?.catch(() => undefined);
    opened.delete(name);
    caches.delete(name);
    await repository?.close();
  }

  return {
    close,
    closeAll: async () => {
      await Promise.all([...opened.keys()].map(close));
    },
    open(name, path) {
      const known = opened.get(name);
      if (known) return known;
      const opening = openNew(name, path);
      opened.set(name, opening);
      opening.catch(() => opened.delete(name));
      return opening;
    },
    openQuarantine: (name, path, env) => makeRepository({ path, name, cache: cacheOf(name), mirror: null, env }),
  };
}
