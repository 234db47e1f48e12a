import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { deflateSync, inflateSync } from "node:zlib";
import { makeByteSource } from "./byte-source.ts";
import { parseHeader, type Consume, type ObjectHeader } from "./process.ts";

// Objects that lie as single files. Handled without waiting, since a wait on a busy machine costs more than the reading:
// so only what is small, and Git leaves at most 100 such files after a push (receive.unpackLimit). The rest is left to Git.
const maxStoredBytes = 64 * 1024;
const maxBytes = 1024 * 1024;

export interface LooseObject {
  readonly header: ObjectHeader;
  /** With the newline that `git cat-file --batch` puts after each object. */
  readonly content: Buffer;
}

/** As `git cat-file --batch` would tell it. */
export const looseObject = (header: ObjectHeader, content: Buffer): LooseObject => ({
  header,
  content: Buffer.concat([content, Buffer.from("\n")]),
});

export const consumeLoose = <Value>({ header, content }: LooseObject, consume: Consume<Value>): Promise<Value> =>
  consume(header, makeByteSource(Readable.from([content])));

/** Reads `xx/yyyy…`: zlib over `TYPE SP SIZE NUL CONTENT` (gitformat-loose). Null when it is not there, or large. */
export function readLoose(folder: string, id: string): LooseObject | null {
  const file = join(folder, id.slice(0, 2), id.slice(2));
  const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size;
  if (sizeBytes === undefined || sizeBytes > maxStoredBytes) return null;
  const bytes = inflateAtMost(readFileSync(file));
  if (bytes === null) return null;
  const end = bytes.indexOf(0);
  const header = parseHeader(`${id} ${bytes.toString("latin1", 0, end)}`);
  return header && looseObject(header, bytes.subarray(end + 1));
}

function inflateAtMost(stored: Buffer): Buffer | null {
  try {
    return inflateSync(stored, { maxOutputLength: maxBytes });
  } catch {
    // Too large, or not what it should be: Git decides.
    return null;
  }
}

/** Writes an object as Git does, under a draft's name first; answers its id. */
export function writeLoose(folder: string, type: ObjectHeader["type"], content: Buffer, idLength: number): string {
  const bytes = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  const id = createHash(idLength === sha256Length ? "sha256" : "sha1")
    .update(bytes)
    .digest("hex");
  const place = join(folder, id.slice(0, 2));
  mkdirSync(place, { recursive: true });
  // What a kill leaves of this name, Git's own housekeeping removes.
  const draft = join(place, `tmp_obj_${randomUUID()}`);
  writeFileSync(draft, deflateSync(bytes), { mode: 0o444, flag: "wx" });
  renameSync(draft, join(place, id.slice(2)));
  return id;
}

const sha256Length = 64;
