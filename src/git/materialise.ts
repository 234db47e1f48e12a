import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { open, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as othersTurn } from "node:timers/promises";
import { treeSha, type TreeSha } from "../core/names.ts";
import { WaybillError } from "../core/errors.ts";
import { isPlainFile, modes } from "./objects/format.ts";
import type { Objects } from "./objects/objects.ts";
import { isUnsafeName, staysInside } from "./safe-path.ts";

/** What a tree becomes on disk: the whole plan before the first write. Parents come before what they hold. */
export interface TreePlan {
  readonly folders: readonly string[];
  readonly files: readonly { readonly path: string; readonly id: string; readonly isExecutable: boolean }[];
  readonly links: ReadonlyMap<string, string>;
}

const maxEntries = 500_000;
const maxLinkBytes = 4_096;
// Blobs up to this size are held in memory, larger ones pass through in pieces.
const maxHeldBytes = 8 * 1024 * 1024;
const concurrentWrites = 32;
// Written without waiting, since a wait on a busy machine costs more than the writing; now and then others have a turn.
const maxQuickBytes = 64 * 1024;
const quickWritesInTurn = 64;

/**
 * Writes a tree into `folder`, which must not exist; it appears at once and whole, or not at all. Bytes are those of
 * the objects: no attribute, filter or line ending of the repository has a say. Submodules become empty folders.
 */
export async function materialise(objects: Objects, tree: TreeSha, folder: string, signal: AbortSignal): Promise<void> {
  const plan = await planTree(objects, tree, signal);
  const partial = `${folder}.partial-${process.pid}-${Date.now()}`;
  try {
    mkdirSync(dirname(folder), { recursive: true });
    mkdirSync(partial);
    await write(objects, plan, { folder: partial, signal });
    renameSync(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

/** Reads the tree and refuses what must not reach a disk, before anything is written. */
export async function planTree(objects: Objects, tree: TreeSha, signal: AbortSignal): Promise<TreePlan> {
  const folders: string[] = [];
  const files: { path: string; id: string; isExecutable: boolean }[] = [];
  const linkIds: { path: string; id: string }[] = [];
  const pending: { id: TreeSha; prefix: string }[] = [{ id: tree, prefix: "" }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    signal.throwIfAborted();
    for (const { mode, name, id } of await objects.tree(next.id)) {
      const path = next.prefix + name;
      if (isUnsafeName(name)) throw unsafe(path, "has a name that must not be written to a disk");
      if (mode === modes.folder) pending.push({ id: treeSha(id), prefix: `${path}/` });
      if (mode === modes.folder || mode === modes.submodule) folders.push(path);
      else if (mode === modes.symlink) linkIds.push({ path, id });
      else if (isPlainFile(mode)) files.push({ path, id, isExecutable: mode === modes.executable });
      else throw unsafe(path, `has the mode ${mode}, which no file has`);
    }
    if (folders.length + files.length + linkIds.length > maxEntries) {
      throw unsafe(next.prefix, `is one of more than ${maxEntries} files`);
    }
  }
  return { folders, files, links: await readLinks(objects, linkIds) };
}

async function readLinks(
  objects: Objects,
  linkIds: readonly { path: string; id: string }[],
): Promise<Map<string, string>> {
  const links = new Map<string, string>();
  for (const { path, id } of linkIds) {
    const target = await objects.blob(id, maxLinkBytes);
    if (!Buffer.isBuffer(target)) throw unsafe(path, `is a symbolic link of ${target.sizeBytes} bytes`);
    links.set(path, target.toString("utf8"));
  }
  for (const [path, target] of links) {
    if (!staysInside(path, links)) {
      throw unsafe(path, `is a symbolic link to ${JSON.stringify(target)}, which leads out of the source folder`);
    }
  }
  return links;
}

interface Destination {
  readonly folder: string;
  readonly signal: AbortSignal;
}

async function write(objects: Objects, plan: TreePlan, { folder, signal }: Destination): Promise<void> {
  for (const path of plan.folders) mkdirSync(join(folder, path));
  const queue = plan.files.entries();
  const writers = Array.from({ length: Math.min(concurrentWrites, plan.files.length) }, async () => {
    for (const [index, { path, id, isExecutable }] of queue) {
      signal.throwIfAborted();
      if (index % quickWritesInTurn === quickWritesInTurn - 1) await othersTurn();
      await writeBlob(objects, id, { path: join(folder, path), mode: isExecutable ? 0o755 : 0o644 });
    }
  });
  await Promise.all(writers);
  // Links come last, so that nothing was ever written through one.
  for (const [path, target] of plan.links) await symlink(target, join(folder, path));
}

async function writeBlob(objects: Objects, id: string, file: { path: string; mode: number }): Promise<void> {
  const bytes = await objects.blob(id, maxHeldBytes);
  // "wx": two names that a file system takes for one must not overwrite each other.
  const options = { mode: file.mode, flag: "wx" };
  if (Buffer.isBuffer(bytes) && bytes.length <= maxQuickBytes) return writeFileSync(file.path, bytes, options);
  if (Buffer.isBuffer(bytes)) return writeFile(file.path, bytes, options);
  await using handle = await open(file.path, "wx", file.mode);
  await objects.streamBlob(id, async (piece) => {
    await handle.writeFile(piece);
  });
}

function unsafe(path: string, reason: string): WaybillError {
  return new WaybillError("TREE_UNSAFE", `${path} ${reason}. Remove it from the source folder.`);
}
