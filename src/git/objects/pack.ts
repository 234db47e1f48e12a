import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import { consumeLoose, looseObject, type LooseObject } from "./loose.ts";
import type { ObjectHeader, ObjectProcess } from "./process.ts";

// Handled without waiting, like single files: so only as many objects as Git would leave as such (receive.unpackLimit).
const maxObjects = 100;
const maxBytes = 1024 * 1024;
const headerBytes = 12;
const sha1Bytes = 20;

const types: Readonly<Record<number, ObjectHeader["type"]>> = { 1: "commit", 2: "tree", 3: "blob", 4: "tag" };
const deltaByOffset = 6;
const deltaById = 7;

interface Whole {
  readonly type: ObjectHeader["type"];
  readonly content: Buffer;
}

/**
 * Reads a small pack (gitformat-pack) by the ids that its contents have. Null: a large one, one that a version of Git
 * newer than this reader has made, or one that is broken. Git itself decides what becomes of it in any case.
 */
export async function readPack(
  pack: Buffer,
  accepted: Pick<ObjectProcess, "ask">,
): Promise<ReadonlyMap<string, LooseObject> | null> {
  if (pack.length < headerBytes || pack.toString("latin1", 0, 4) !== "PACK" || pack.readUInt32BE(4) !== 2) return null;
  const count = pack.readUInt32BE(8);
  if (count > maxObjects) return null;
  try {
    return await readObjects(pack, count, accepted);
  } catch (error) {
    if (error instanceof BrokenPack || isMalformed(error)) return null;
    throw error;
  }
}

class BrokenPack extends Error {}

/** What zlib, and reading beyond the end, answer. */
const isMalformed = (error: unknown): boolean =>
  error instanceof Error && "code" in error && /^(?:Z_|ERR_)/.test(String(error.code));

async function readObjects(pack: Buffer, count: number, accepted: Pick<ObjectProcess, "ask">) {
  const byOffset = new Map<number, Whole>();
  const byId = new Map<string, LooseObject>();
  let left = maxBytes;
  let at = headerBytes;
  for (let index = 0; index < count; index += 1) {
    const start = at;
    const entry = readEntry(pack, at);
    const { content, storedBytes } = inflateFirst(pack.subarray(entry.dataAt), left);
    at = entry.dataAt + storedBytes;
    const whole = await completed(entry, content, (base) =>
      typeof base === "number" ? byOffset.get(start - base) : (wholeOf(byId.get(base)) ?? askWhole(accepted, base)),
    );
    left -= content.length + whole.content.length;
    if (left <= 0) throw new BrokenPack();
    byOffset.set(start, whole);
    const found = named(whole);
    byId.set(found.header.id, found);
  }
  return byId;
}

/** What is deflated at the beginning; how long that is, only its end tells. */
function inflateFirst(bytes: Buffer, maxOutputLength: number) {
  const inflated: unknown = inflateSync(bytes, { maxOutputLength, info: true });
  // Node's types do not know of `info`.
  const { buffer, engine } = inflated as { buffer: Buffer; engine: { bytesWritten: number } };
  return { content: buffer, storedBytes: engine.bytesWritten };
}

interface Entry {
  readonly type: number;
  /** How far before this entry its base lies, or the base's id; null for a whole object. */
  readonly base: number | string | null;
  readonly dataAt: number;
}

function readEntry(pack: Buffer, start: number): Entry {
  let at = start;
  let byte = pack.readUInt8(at++);
  const type = (byte >> 4) & 7;
  // The size follows; what is inflated tells it as well.
  while (byte & 0x80) byte = pack.readUInt8(at++);
  if (type === deltaById) {
    return { type, base: pack.toString("hex", at, at + sha1Bytes), dataAt: at + sha1Bytes };
  }
  if (type !== deltaByOffset) return { type, base: null, dataAt: at };
  byte = pack.readUInt8(at++);
  let offset = byte & 0x7f;
  while (byte & 0x80) {
    byte = pack.readUInt8(at++);
    offset = (offset + 1) * 0x80 + (byte & 0x7f);
  }
  return { type, base: offset, dataAt: at };
}

type FindBase = (base: number | string) => Whole | undefined | Promise<Whole | undefined>;

async function completed({ type, base }: Entry, data: Buffer, find: FindBase): Promise<Whole> {
  if (base !== null) {
    const found = await find(base);
    if (!found) throw new BrokenPack();
    return { type: found.type, content: applyDelta(found.content, data) };
  }
  const known = types[type];
  if (!known) throw new BrokenPack();
  return { type: known, content: data };
}

/** Gitformat-pack, "Deltified representation": copies of pieces of the base, and new bytes. */
function applyDelta(base: Buffer, delta: Buffer): Buffer {
  let at = 0;
  const next = (): number => delta.readUInt8(at++);
  const size = (): number => {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = next();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte & 0x80);
    return value;
  };
  const some = (bits: number, count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index += 1) if (bits & (1 << index)) value += next() * 2 ** (8 * index);
    return value;
  };
  if (size() !== base.length) throw new BrokenPack();
  const wantedBytes = size();
  if (wantedBytes > maxBytes) throw new BrokenPack();
  const whole = Buffer.alloc(wantedBytes);
  let filled = 0;
  while (at < delta.length) {
    const command = next();
    const from = command & 0x80 ? some(command, 4) : at;
    const bytes = command & 0x80 ? some(command >> 4, 3) || 0x10000 : command;
    if (bytes === 0 || filled + bytes > wantedBytes) throw new BrokenPack();
    filled += (command & 0x80 ? base : delta).copy(whole, filled, from, from + bytes);
    if (!(command & 0x80)) at += bytes;
  }
  if (filled !== wantedBytes) throw new BrokenPack();
  return whole;
}

function named({ type, content }: Whole): LooseObject {
  const id = createHash("sha1").update(`${type} ${content.length}\0`).update(content).digest("hex");
  return looseObject({ id, type, sizeBytes: content.length }, content);
}

const wholeOf = (object: LooseObject | undefined): Whole | undefined =>
  object && { type: object.header.type, content: object.content.subarray(0, -1) };

async function askWhole(accepted: Pick<ObjectProcess, "ask">, id: string): Promise<Whole | undefined> {
  const found = await accepted.ask(id, async ({ type, sizeBytes }, source) => {
    if (sizeBytes <= maxBytes) return { type, content: (await source.take(sizeBytes + 1)).subarray(0, -1) };
    for await (const piece of source.pieces(sizeBytes + 1)) void piece;
    return undefined;
  });
  return found ?? undefined;
}

/** Objects held in memory, before those that were accepted. */
export function makePackedProcess(
  packed: ReadonlyMap<string, LooseObject>,
  accepted: Pick<ObjectProcess, "ask">,
): ObjectProcess {
  return {
    async ask(name, consume) {
      const own = packed.get(name);
      return own ? consumeLoose(own, consume) : accepted.ask(name, consume);
    },
    close: () => Promise.resolve(),
  };
}
