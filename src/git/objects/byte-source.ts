import type { Readable } from "node:stream";

/** Reads a stream by lines and by counted bytes, as Git's batch protocols want it. */
export interface ByteSource {
  /** The next line without its newline; null at the end of the stream. */
  line(): Promise<string | null>;
  take(count: number): Promise<Buffer>;
  /** The next `count` bytes in pieces as they come: for what should not be held in memory. */
  pieces(count: number): AsyncIterable<Buffer>;
}

const newline = 0x0a;

export function makeByteSource(stream: Readable): ByteSource {
  const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer = Buffer.alloc(0);

  async function pull(): Promise<Buffer | null> {
    const { value, done } = await iterator.next();
    return done ? null : value;
  }

  async function* pieces(count: number): AsyncGenerator<Buffer> {
    let missing = count;
    while (missing > 0) {
      if (held.length === 0) {
        const next = await pull();
        if (next === null) throw new Error(`the stream ended ${missing} bytes early`);
        held = next;
      }
      const piece = held.subarray(0, missing);
      held = held.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  return {
    pieces,
    async line() {
      let searched = 0;
      for (;;) {
        const end = held.indexOf(newline, searched);
        if (end >= 0) {
          const text = held.toString("utf8", 0, end);
          held = held.subarray(end + 1);
          return text;
        }
        searched = held.length;
        const next = await pull();
        if (next === null) return null;
        held = held.length === 0 ? next : Buffer.concat([held, next]);
      }
    },
    async take(count) {
      if (held.length >= count) {
        const bytes = held.subarray(0, count);
        held = held.subarray(count);
        return bytes;
      }
      const parts: Buffer[] = [];
      for await (const piece of pieces(count)) parts.push(piece);
      return Buffer.concat(parts, count);
    },
  };
}
