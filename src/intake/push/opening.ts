import type { Readable } from "node:stream";
import type { RefUpdate } from "../push-gate.ts";

/** What a push asks for, read from its request before Git has looked at it. */
export interface Opening {
  readonly updates: readonly RefUpdate[];
  readonly pack: Buffer;
}

const maxBytes = 256 * 1024;
const lengthDigits = 4;
const flush = 0;

/** Follows a request's body while Git reads it. Null: it is a large one, or it is cut short. */
export function followOpening(body: Readable): Promise<Opening | null> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else settle(null);
    };
    const settle = (opening: Opening | null): void => {
      body.off("data", take);
      chunks.length = 0;
      resolve(opening);
    };
    body.on("data", take);
    body.once("end", () => settle(size <= maxBytes ? readOpening(Buffer.concat(chunks)) : null));
    body.once("close", () => settle(null));
  });
}

const command = /^([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)/;

/** Gitprotocol-pack(5), "Reference Update Request": packets with a command each, a flush, the pack. Null for anything else. */
export function readOpening(bytes: Buffer): Opening | null {
  const updates: RefUpdate[] = [];
  for (let at = 0; at + lengthDigits <= bytes.length;) {
    const size = Number.parseInt(bytes.toString("latin1", at, at + lengthDigits), 16);
    if (size === flush) return { updates, pack: bytes.subarray(at + lengthDigits) };
    const text = bytes.toString("utf8", at + lengthDigits, at + size);
    const [, before = "", after = "", ref = ""] = command.exec(text) ?? [];
    if (ref === "" || !(size > lengthDigits)) return null;
    updates.push({ ref, before: idOrNull(before), after: idOrNull(after) });
    at += size;
  }
  return null;
}

/** Git writes an absent object as zeros. */
export const idOrNull = (id: string): string | null => (/^0+$/.test(id) ? null : id);
