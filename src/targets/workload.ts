import type { TreeSha } from "../core/names.ts";
import type { Secret } from "../core/secret.ts";

export { pauseWords, restWords, type SecretUse, type Workload, type WorkloadStatus } from "../release/workload.ts";

/**
 * How long a worker must have run to count as live, on every target: it has no port to ask, and a program may need some
 * seconds to find out that it cannot work.
 */
export const workerSettlesSeconds = 10;

/** Reads a secret's value at the moment of use. */
export interface SecretReader {
  reveal(scope: { repository: string; environment: string }, name: string, version: number): Promise<Secret>;
}

/** Makes the files of a Git tree, read from objects only. */
export interface TreeSource {
  /** Writes the tree's files under `folder`, which must not exist yet; refuses links that leave it. */
  materialise(repository: string, tree: TreeSha, folder: string, signal: AbortSignal): Promise<void>;
}

/** A file to lie in an archive over the tree's own, with its permission bits. */
export interface ArchivedFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/** Makes an archive of a Git tree, read from objects only. */
export interface ArchiveSource {
  /** Hands the archive on in pieces, at the pace of `write`; refuses links that leave the tree. */
  archive(
    request: {
      readonly repository: string;
      readonly tree: TreeSha;
      readonly files?: readonly ArchivedFile[];
      readonly signal: AbortSignal;
    },
    write: (bytes: Buffer) => Promise<void>,
  ): Promise<void>;
}

export interface LogLine {
  readonly at: string;
  /** `build`: what the build of the source said; `waybill`: what Waybill did. */
  readonly stream: "stdout" | "stderr" | "build" | "waybill";
  readonly text: string;
  /** Which of several replicas said it, where the target tells them apart. */
  readonly pod?: string;
}
