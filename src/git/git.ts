import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isName, repositoryName, type RepositoryName } from "../core/names.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { WaybillError } from "../core/errors.ts";
import { spawnHere, type Spawn } from "../core/spawn.ts";
import { createBare, setHead, type NewRepository } from "./bare-repository.ts";
import { requireSupportedGit } from "./command.ts";
import { makeOpenRepositories } from "./open-repositories.ts";
import { remote, type RemoteOptions } from "./remote/address.ts";
import type { Repository } from "./repository.ts";

/** All repositories of a server: `NAME.git` in one folder. */
export interface Git {
  readonly folder: string;
  /** Throws NOT_FOUND. The answer is shared; only `close` of Git itself closes it. */
  open(name: RepositoryName): Promise<Repository>;
  /** A view that also sees objects which a push has brought and nobody has accepted yet. The caller closes it. */
  openQuarantine(name: RepositoryName, env: Readonly<Record<string, string>>): Promise<Repository>;
  /** The same, of objects that Git has not even unpacked; null where they are many. Nothing of it is to be closed. */
  openPacked(name: RepositoryName, pack: Buffer): Promise<Repository | null>;
  exists(name: RepositoryName): boolean;
  createHosted(name: RepositoryName, defaultBranch: string): Promise<Repository>;
  /** Remembers where it is hosted and fetches nothing yet. The credentials are kept in memory only. */
  createMirror(name: RepositoryName, url: string, credentials?: Secret): Promise<Repository>;
  list(): Promise<RepositoryName[]>;
  /** Lets HEAD name another branch, which need not exist. */
  setHead(name: RepositoryName, branch: string): Promise<void>;
  remove(name: RepositoryName): Promise<void>;
  close(): Promise<void>;
}

export interface GitOptions extends RemoteOptions {
  readonly folder: string;
  readonly log: Log;
  /** Who starts its processes; by default this one. */
  readonly spawn?: Spawn;
  /** The credentials of a mirror made by an earlier process. */
  readonly credentialsFor?: (name: RepositoryName) => Promise<Secret | null>;
}

export function makeGit(options: GitOptions): Git {
  const { folder, log, spawn = spawnHere, credentialsFor = async () => null, ...remoteOptions } = options;
  const fresh = new Map<RepositoryName, Secret>();
  const repositories = makeOpenRepositories({
    log,
    spawn,
    remoteFor: async (name, url) => remote(url, fresh.get(name) ?? (await credentialsFor(name)), remoteOptions),
  });
  const pathOf = (name: RepositoryName): string => join(folder, `${name}.git`);
  const exists = (name: RepositoryName): boolean => existsSync(join(pathOf(name), "HEAD"));

  let supported: Promise<void> | undefined;
  /** Asked once; asked again after a failure, since a person may install Git meanwhile. */
  function checkGit(): Promise<void> {
    supported ??= requireSupportedGit();
    supported.catch(() => (supported = undefined));
    return supported;
  }

  function requirePath(name: RepositoryName): string {
    if (exists(name)) return pathOf(name);
    throw new WaybillError("NOT_FOUND", `there is no repository ${name}`);
  }

  async function create(name: RepositoryName, start: NewRepository): Promise<Repository> {
    await checkGit();
    if (exists(name)) throw new WaybillError("CONFLICT", `there is a repository ${name} already`);
    await createBare(pathOf(name), start);
    log.info({ repository: name, isMirror: start.url !== null }, "repository created");
    return repositories.open(name, pathOf(name));
  }

  return {
    folder,
    exists,
    async open(name) {
      await checkGit();
      return repositories.open(name, requirePath(name));
    },
    openQuarantine: async (name, env) => repositories.openQuarantine(name, requirePath(name), env),
    openPacked: (name, pack) => repositories.openPacked(name, requirePath(name), pack),
    createHosted: (name, defaultBranch) => create(name, { defaultBranch, url: null }),
    async createMirror(name, url, credentials) {
      // Checked before anything is made.
      const { url: address } = remote(url, credentials ?? null, remoteOptions);
      const repository = await create(name, { defaultBranch: "main", url: address });
      if (credentials) fresh.set(name, credentials);
      return repository;
    },
    async list() {
      const entries = await readdir(folder).catch(() => []);
      const names = entries.filter((entry) => entry.endsWith(".git")).map((entry) => entry.slice(0, -".git".length));
      return names.filter(isName).sort().map(repositoryName);
    },
    setHead: (name, branch) => setHead(requirePath(name), branch),
    async remove(name) {
      fresh.delete(name);
      await repositories.close(name);
      await rm(pathOf(name), { recursive: true, force: true });
    },
    close: () => repositories.closeAll(),
  };
}
