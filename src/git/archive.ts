import type { TreeSha } from "../core/names.ts";
import { planTree } from "./materialise.ts";
import type { Objects } from "./objects/objects.ts";

/** Takes bytes at the pace of whoever reads them. */
export type Write = (bytes: Buffer) => Promise<void>;

/** A file to lie in an archive, with the permission bits of its mode. */
export interface ArchivedFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

// Blobs up to this size are held in memory, larger ones pass through in pieces.
const maxHeldBytes = 8 * 1024 * 1024;

/**
 * Writes a tree as a tar archive (pax interchange format, POSIX.1-2001), the same bytes for the same tree; `files` come
 * after it and take the place of the tree's own. Refuses what must not reach a disk before the first byte is written.
 */
export async function writeArchive(
  objects: Objects,
  { tree, files = [], signal }: { tree: TreeSha; files?: readonly ArchivedFile[]; signal: AbortSignal },
  write: Write,
): Promise<void> {
  const plan = await planTree(objects, tree, signal);
  for (const path of plan.folders) await write(header({ path: `${path}/`, type: "folder", mode: 0o755 }));
  for (const { path, id, isExecutable } of plan.files) {
    signal.throwIfAborted();
    const mode = isExecutable ? 0o755 : 0o644;
    const bytes = await objects.blob(id, maxHeldBytes);
    if (Buffer.isBuffer(bytes)) {
      await write(
        Buffer.concat([header({ path, type: "file", mode, size: bytes.length }), bytes, padding(bytes.length)]),
      );
      continue;
    }
    await write(header({ path, type: "file", mode, size: bytes.sizeBytes }));
    await objects.streamBlob(id, write);
    await write(padding(bytes.sizeBytes));
  }
  for (const [path, target] of plan.links) await write(header({ path, type: "link", mode: 0o777, target }));
  for (const { path, content, mode } of files) {
    await write(
      Buffer.concat([header({ path, type: "file", mode, size: content.length }), content, padding(content.length)]),
    );
  }
  await write(Buffer.alloc(2 * blockBytes));
}

const blockBytes = 512;
const maxNameBytes = 100;
// A fixed time makes equal trees equal archives. Not 1970: zip files, which wheels are, begin in 1980.
const modifiedAt = Date.UTC(2000, 0, 1) / 1000;
const typeFlags = { file: "0", link: "2", folder: "5", pax: "x" } as const;

interface Entry {
  readonly path: string;
  readonly type: keyof typeof typeFlags;
  readonly mode: number;
  readonly size?: number;
  readonly target?: string;
}

/** The entry's header block, after an extended one where a name is too long for it. */
function header(entry: Entry): Buffer {
  const records = [
    ...(Buffer.byteLength(entry.path) > maxNameBytes ? [paxRecord("path", entry.path)] : []),
    ...(Buffer.byteLength(entry.target ?? "") > maxNameBytes ? [paxRecord("linkpath", entry.target ?? "")] : []),
  ];
  if (records.length === 0) return block(entry);
  const body = Buffer.from(records.join(""));
  const extended = block({ path: "pax", type: "pax", mode: 0o644, size: body.length });
  return Buffer.concat([extended, body, padding(body.length), block(entry)]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const digits = String(bytes + String(bytes).length).length;
  return `${bytes + digits}${rest}`;
}

/** A ustar header (POSIX.1-2001, pax, "ustar Interchange Format"). */
function block({ path, type, mode, size = 0, target = "" }: Entry): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  };
  Buffer.from(path).copy(bytes, 0, 0, maxNameBytes);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(modifiedAt, 136, 11);
  bytes.write(typeFlags[type], 156, "latin1");
  Buffer.from(target).copy(bytes, 157, 0, maxNameBytes);
  bytes.write("ustar\u000000", 257, "latin1");
  // The sum is taken over the block with its own field as spaces.
  bytes.fill(" ", 148, 156);
  octal(
    bytes.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  bytes.write("\0 ", 154, "latin1");
  return bytes;
}

const padding = (size: number): Buffer => Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
