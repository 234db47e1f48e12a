import type { RepositoryName } from "../core/names.ts";
import type { Spawn } from "../core/spawn.ts";
import type { Log } from "../core/log.ts";
import { readUrl } from "./bare-repository.ts";
import { makeObjectCache, type ObjectCache } from "./objects/cache.ts";
import { makeObjectProcess, type ObjectProcess } from "./objects/process.ts";
import { makePackedProcess, readPack } from "./objects/pack.ts";
import { makeQuarantineProcess } from "./objects/quarantine.ts";
import type { Remote } from "./remote/address.ts";
import { makeMirror } from "./remote/mirror.ts";
import { makeRepository, type Repository } from "./repository.ts";

/** The repositories in use: each opened once, its objects remembered for all who read it. */
export interface OpenRepositories {
  open(name: RepositoryName, path: string): Promise<Repository>;
  openQuarantine(name: RepositoryName, path: string, env: Readonly<Record<string, string>>): Repository;
  openPacked(name: RepositoryName, path: string, pack: Buffer): Promise<Repository | null>;
  close(name: RepositoryName): Promise<void>;
  closeAll(): Promise<void>;
}

/** What all readers of one repository share. */
interface Reader {
  readonly cache: ObjectCache;
  readonly process: ObjectProcess;
}

export interface OpenRepositoriesOptions {
  readonly remoteFor: (name: RepositoryName, url: string) => Promise<Remote>;
  readonly log: Log;
  readonly spawn: Spawn;
}

export function makeOpenRepositories({ remoteFor, log, spawn }: OpenRepositoriesOptions): OpenRepositories {
  const opened = new Map<RepositoryName, Promise<Repository>>();
  const shared = new Map<RepositoryName, Reader>();

  function readerOf(name: RepositoryName, path: string): Reader {
    const reader = shared.get(name) ?? {
      cache: makeObjectCache(),
      process: makeObjectProcess({ path, env: {}, spawn }),
    };
    shared.set(name, reader);
    return reader;
  }

  async function openNew(name: RepositoryName, path: string): Promise<Repository> {
    const url = await readUrl(path);
    const mirror = url === null ? null : makeMirror({ path, url, remote: () => remoteFor(name, url), log });
    return makeRepository({ path, name, mirror, spawn, ...readerOf(name, path) });
  }

  async function close(name: RepositoryName): Promise<void> {
    const repository = await opened.get(name)?.catch(() => undefined);
    opened.delete(name);
    const reader = shared.get(name);
    shared.delete(name);
    await reader?.process.close();
    await repository?.close();
  }

  return {
    close,
    closeAll: async () => {
      await Promise.all([...shared.keys()].map(close));
    },
    open(name, path) {
      const known = opened.get(name);
      if (known) return known;
      const opening = openNew(name, path);
      opened.set(name, opening);
      opening.catch(() => opened.delete(name));
      return opening;
    },
    openQuarantine(name, path, env) {
      const { cache, process: accepted } = readerOf(name, path);
      const process = makeQuarantineProcess({ path, env, accepted, spawn });
      return makeRepository({ path, name, cache, process, spawn, mirror: null, env });
    },
    async openPacked(name, path, pack) {
      const { cache, process: accepted } = readerOf(name, path);
      const packed = await readPack(pack, accepted);
      if (packed === null) return null;
      return makeRepository({ path, name, cache, process: makePackedProcess(packed, accepted), spawn, mirror: null });
    },
  };
}
