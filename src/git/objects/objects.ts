import { commitSha, type CommitSha, type TreeSha } from "../../core/names.ts";
import { WaybillError } from "../../core/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import type { ObjectCache } from "./cache.ts";
import { parseCommit, parseTree, type CommitInfo, type TreeEntry } from "./format.ts";
import type { Consume, ObjectHeader, ObjectProcess } from "./process.ts";

/** A blob that is larger than the caller takes. */
export interface TooLarge {
  readonly sizeBytes: number;
}

/** An object that leads to another one: itself for all but tags. */
export interface Pointer {
  readonly id: string;
  readonly type: ObjectHeader["type"];
  readonly target: string;
}

/** A repository's objects by id. What is asked for and missing is GIT_FAILED, unless the answer may be null. */
export interface Objects {
  commit(sha: CommitSha): Promise<CommitInfo>;
  tree(id: TreeSha): Promise<readonly TreeEntry[]>;
  /** What an id or a snapshot tag's full ref name stands for; null: nothing. */
  pointer(name: string): Promise<Pointer | null>;
  /** The commit that an object is or, as a tag, leads to. */
  commitOf(id: string): Promise<CommitSha | null>;
  blob(id: string, maxBytes: number): Promise<Buffer | TooLarge>;
  /** Hands a blob on in pieces: for files of any size. */
  streamBlob(id: string, write: (piece: Buffer) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

export interface ObjectsOptions {
  readonly path: string;
  readonly cache: ObjectCache;
  readonly process: ObjectProcess;
}

// Commits and trees are read whole. No honest one comes near this.
const maxStructureBytes = 64 * 1024 * 1024;

export function makeObjects({ path, cache, process }: ObjectsOptions): Objects {
  async function ask<Value>(name: string, consume: Consume<Value>): Promise<Value> {
    const found = await process.ask(name, consume);
    if (found !== null) return found;
    throw new WaybillError("GIT_FAILED", `${path}: there is no object ${name}`);
  }

  async function structure(id: string, type: "commit" | "tree"): Promise<Buffer> {
    const found = await ask(id, readStructure);
    if (found.header.type === type && Buffer.isBuffer(found.bytes)) return found.bytes;
    throw new WaybillError("GIT_FAILED", `${path}: object ${id} is a ${found.header.type}, or too large for a ${type}`);
  }

  const pointer = (name: string): Promise<Pointer | null> => process.ask(name, readPointer);

  async function commit(sha: CommitSha): Promise<CommitInfo> {
    const known = cache.commits.get(sha);
    if (known) return known;
    const info = parseCommit(sha, await structure(sha, "commit"));
    cache.commits.set(sha, info, 1);
    return info;
  }

  async function tree(id: TreeSha): Promise<readonly TreeEntry[]> {
    const known = cache.trees.get(id);
    if (known) return known;
    const entries = parseTree(await structure(id, "tree"), id.length / 2);
    cache.trees.set(id, entries, entries.length + 1);
    return entries;
  }

  return {
    commit,
    tree,
    pointer,
    async commitOf(id) {
      let found = await pointer(id);
      // Tags may name tags; each names an older object, so this ends.
      while (found?.type === "tag") found = await pointer(found.target);
      return found?.type === "commit" ? commitSha(found.id) : null;
    },
    async blob(id, maxBytes) {
      const known = cache.blobs.get(id);
      if (known && known.length <= maxBytes) return known;
      return ask(id, async (header, source) => {
        const bytes = await readAtMost(header, source, maxBytes);
        if (!Buffer.isBuffer(bytes)) return bytes;
        // A copy: a slice would keep the whole piece of the stream that it was cut from.
        const kept = Buffer.from(bytes);
        cache.blobs.set(id, kept, kept.length);
        return kept;
      });
    },
    streamBlob: (id, write) =>
      ask(id, async (header, source) => {
        for await (const piece of source.pieces(header.sizeBytes)) await write(piece);
        await source.take(1);
      }),
    close: () => process.close(),
  };
}

async function readPointer(header: ObjectHeader, source: ByteSource): Promise<Pointer> {
  const { id, type } = header;
  const bytes = await readAtMost(header, source, maxStructureBytes);
  const head = type === "tag" && Buffer.isBuffer(bytes) ? bytes.toString("latin1", 0, 100) : "";
  return { id, type, target: /^object ([0-9a-f]+)\n/.exec(head)?.[1] ?? id };
}

async function readStructure(header: ObjectHeader, source: ByteSource) {
  return { header, bytes: await readAtMost(header, source, maxStructureBytes) };
}

/** Takes an object's content and the newline after it; what is too large is passed over, never held. */
async function readAtMost(header: ObjectHeader, source: ByteSource, maxBytes: number): Promise<Buffer | TooLarge> {
  const { sizeBytes } = header;
  if (sizeBytes > maxBytes) {
    for await (const piece of source.pieces(sizeBytes + 1)) void piece;
    return { sizeBytes };
  }
  const bytes = await source.take(sizeBytes + 1);
  return bytes.subarray(0, sizeBytes);
}
