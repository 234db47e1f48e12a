import type { CommitSha, RepositoryName, TreeSha } from "../core/names.ts";
import { WaybillError } from "../core/errors.ts";
import type { Spawn } from "../core/spawn.ts";
import { writeArchive, type ArchivedFile, type Write } from "./archive.ts";
import { tidy } from "./bare-repository.ts";
import { runGit } from "./command.ts";
import { createSnapshot, type NewSnapshot } from "./snapshot/create-snapshot.ts";
import { materialise } from "./materialise.ts";
import type { FetchResult, Mirror } from "./remote/mirror.ts";
import type { ObjectCache } from "./objects/cache.ts";
import type { CommitInfo } from "./objects/format.ts";
import { makeObjects } from "./objects/objects.ts";
import type { ObjectProcess } from "./objects/process.ts";
import { makeRefReader } from "./ref-reader.ts";
import type { RefView } from "./refs.ts";
import type { SnapshotTag } from "./snapshot-tag.ts";
import { readFiles, treeAt, type SourceFiles } from "./source-files.ts";

/** One repository, read from its objects: nothing in it is ever checked out or run here. */
export interface Repository {
  /** The bare repository's folder. */
  readonly path: string;
  readonly name: RepositoryName;
  refs(): Promise<RefView>;
  /** `waybill.yaml` and `deployments/*.yaml` or `.yml`. What was read before is not read again. */
  readFiles(commit: CommitSha): Promise<SourceFiles>;
  /** The id of the folder at `path` (`.` is the root); null where no folder is. */
  treeAt(commit: CommitSha, path: string): Promise<TreeSha | null>;
  treesAt(commit: CommitSha, paths: readonly string[]): Promise<Map<string, TreeSha | null>>;
  commitInfo(commits: readonly CommitSha[]): Promise<CommitInfo[]>;
  /** The commit that an object is or, as a tag, leads to; null: another kind of object, or none. */
  commitOf(id: string): Promise<CommitSha | null>;
  /** Whether `a` is `b` or lies behind it. */
  isAncestor(a: CommitSha, b: CommitSha): Promise<boolean>;
  /** Creates the annotated tag, or throws SNAPSHOT_EXISTS. */
  createSnapshot(snapshot: NewSnapshot): Promise<SnapshotTag>;
  /** Writes a tree into a folder that does not exist yet. Throws TREE_UNSAFE. */
  materialise(tree: TreeSha, folder: string, signal: AbortSignal): Promise<void>;
  /** Writes a tree, with further files over it, as a tar archive. Throws TREE_UNSAFE. */
  archive(tree: TreeSha, options: ArchiveOptions, write: Write): Promise<void>;
  /** Where it is hosted, without credentials; null when here, and then the four below throw CONFLICT. */
  readonly remoteUrl: string | null;
  /** Whether the remote has other refs than when last fetched. Changes nothing. */
  hasChanged(signal: AbortSignal): Promise<boolean>;
  /** Makes branches and snapshot tags as the remote has them. Throws REMOTE_* errors and changes nothing then. */
  fetch(signal: AbortSignal): Promise<FetchResult>;
  /** Snapshot tags made here that the remote did not have when last seen. Asks nobody, changes nothing. */
  unpushedTags(): Promise<readonly string[]>;
  /** Pushes snapshot tags to the remote, never by force. */
  pushTags(tags: readonly string[], signal: AbortSignal): Promise<void>;
  /** Packs objects when many lie about singly. Not needed for anything but speed. */
  tidy(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface ArchiveOptions {
  readonly files?: readonly ArchivedFile[];
  readonly signal: AbortSignal;
}

export interface RepositoryOptions {
  readonly path: string;
  readonly name: RepositoryName;
  readonly cache: ObjectCache;
  /** Reads its objects; closed with it. */
  readonly process: ObjectProcess;
  readonly mirror: Mirror | null;
  readonly spawn: Spawn;
  /** Where objects are that were pushed and not accepted yet. */
  readonly env?: Readonly<Record<string, string>>;
}

export function makeRepository(options: RepositoryOptions): Repository {
  const { path, name, cache, process, mirror, spawn, env = {} } = options;
  const objects = makeObjects({ path, cache, process });

  function requireMirror(): Mirror {
    if (mirror) return mirror;
    throw new WaybillError(
      "CONFLICT",
      `the repository ${name} is hosted here: there is nothing to fetch from or push to`,
    );
  }

  return {
    path,
    name,
    remoteUrl: mirror?.url ?? null,
    hasChanged: async (signal) => requireMirror().hasChanged(signal),
    fetch: async (signal) => requireMirror().fetch(signal),
    unpushedTags: async () => requireMirror().unpushedTags(),
    pushTags: async (tags, signal) => requireMirror().pushTags(tags, signal),
    refs: makeRefReader({ path, env, spawn }),
    readFiles: (commit) => readFiles(objects, commit),
    treeAt: (commit, folder) => treeAt(objects, commit, folder),
    async treesAt(commit, paths) {
      return new Map(
        await Promise.all(paths.map(async (folder) => [folder, await treeAt(objects, commit, folder)] as const)),
      );
    },
    commitInfo: (commits) => Promise.all(commits.map((commit) => objects.commit(commit))),
    commitOf: (id) => objects.commitOf(id),
    async isAncestor(a, b) {
      const { exitCode, stderr } = await runGit(["merge-base", "--is-ancestor", a, b], {
        cwd: path,
        env: { ...env, GIT_DIR: path },
        spawn,
      });
      // git-merge-base(1): 0 yes, 1 no, anything else an error.
      if (exitCode === 0 || exitCode === 1) return exitCode === 0;
      throw new WaybillError(
        "GIT_FAILED",
        `${path}: comparing ${a} and ${b}: git ended with status ${exitCode}: ${stderr}`,
      );
    },
    createSnapshot: (snapshot) => createSnapshot({ objects, path }, snapshot),
    materialise: (tree, folder, signal) => materialise(objects, tree, folder, signal),
    archive: (tree, archived, write) => writeArchive(objects, { tree, ...archived }, write),
    tidy: (signal) => tidy(path, signal),
    close: () => objects.close(),
  };
}
