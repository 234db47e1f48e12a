import { WaybillError } from "../../../core/errors.ts";

/** A plain file of an archive. Its bytes are to be read before the next file is asked for; what is not read is skipped. */
export interface ArchivedEntry {
  /** As the archive has it: a program may have written anything there. */
  readonly path: string;
  readonly bytes: number;
  readonly body: AsyncIterable<Buffer>;
}

const blockBytes = 512;
// A path is at most this long on any system; GNU's and pax's records for it are little longer.
const maxRecordBytes = 64 * 1_024;

/** The plain files of a tar archive (POSIX.1-2001, pax) with GNU's long names. Links, folders and devices are left out. */
export async function* entriesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ArchivedEntry> {
  const reader = makeReader(pieces);
  let given: { path?: string; size?: number } = {};
  for (;;) {
    const header = await reader.exactly(blockBytes);
    if (header === null || header.every((byte) => byte === 0)) return;
    const type = String.fromCharCode(header[156] ?? 0);
    const size = given.size ?? numberIn(header.subarray(124, 136));
    const padding = (blockBytes - (size % blockBytes)) % blockBytes;
    if (type === "L" || type === "x") {
      if (size > maxRecordBytes) throw broken("a name in it is too long");
      const record = (await reader.exactly(size)) ?? Buffer.alloc(0);
      given = { ...given, ...(type === "L" ? { path: textIn(record) } : paxRecords(record)) };
      await reader.skip(padding);
      continue;
    }
    const path = given.path ?? pathIn(header);
    given = {};
    if (type === "0" || type === "\0") {
      const body = reader.upTo(size);
      yield { path, bytes: size, body };
      for await (const _ of body);
      await reader.skip(padding);
    } else {
      await reader.skip(size + padding);
    }
  }
}

const broken = (why: string): WaybillError => new WaybillError("REQUEST_INVALID", `the archive cannot be read: ${why}`);

const textIn = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end === -1 ? bytes.length : end).toString("utf8");
};

function pathIn(header: Buffer): string {
  const name = textIn(header.subarray(0, 100));
  const prefix = header.toString("latin1", 257, 262) === "ustar" ? textIn(header.subarray(345, 500)) : "";
  // GNU's own format has other things there.
  const isGnu = header.toString("latin1", 257, 265) === "ustar  \0";
  return prefix === "" || isGnu ? name : `${prefix}/${name}`;
}

/** Octal text, or for what is larger than 8 GiB bytes with the highest bit set. */
function numberIn(field: Buffer): number {
  const first = field[0] ?? 0;
  const number =
    (first & 0x80) === 0
      ? Number.parseInt(textIn(field).trim() || "0", 8)
      : field.subarray(1).reduce((sum, byte) => sum * 256 + byte, first & 0x7f);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw broken("a file in it has no length");
}

/** `27 path=…\n`, one after the other; the number counts the record's bytes. */
function paxRecords(bytes: Buffer): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString("latin1", at, space));
    if (space === -1 || !Number.isInteger(length) || length <= 0) throw broken("a record in it has no length");
    const [key, ...value] = bytes.toString("utf8", space + 1, at + length - 1).split("=");
    if (key === "path") found.path = value.join("=");
    if (key === "size") found.size = Number(value.join("="));
    at += length;
  }
  return found;
}

function makeReader(pieces: AsyncIterable<Uint8Array>) {
  const source = pieces[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    while (rest.length === 0) {
      const { done, value } = await source.next();
      if (done) return false;
      rest = Buffer.from(value);
    }
    return true;
  }
  async function* upTo(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0;) {
      if (!(await more())) throw broken("it ends within a file");
      const piece = rest.subarray(0, left);
      rest = rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
  return {
    upTo,
    /** Null at the archive's end. */
    async exactly(bytes: number): Promise<Buffer | null> {
      if (bytes > 0 && !(await more())) return null;
      const parts: Buffer[] = [];
      for await (const piece of upTo(bytes)) parts.push(piece);
      return Buffer.concat(parts);
    },
    async skip(bytes: number): Promise<void> {
      for await (const _ of upTo(bytes));
    },
  };
}
