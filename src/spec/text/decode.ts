import { isUtf8 } from "node:buffer";
import type { ProblemCode } from "../problem-table.ts";
import { maxFileBytes, maxLines } from "./limits.ts";

/** Something wrong with the text itself, at an offset in UTF-16 units. */
export interface TextFault {
  readonly offset: number;
  readonly code: ProblemCode;
  readonly message: string;
}

export type Decoded = { readonly text: string } | { readonly text: string; readonly fault: TextFault };

// YAML 1.2.2, section 5.1: what a stream may not hold, C0 but for tab and line ends, DEL, C1 but for NEL.
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const forbidden = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/;

/** The text of a file, or what keeps it from being text. A byte order mark is dropped. */
export function decode(bytes: Uint8Array): Decoded {
  if (bytes.length > maxFileBytes) {
    return faulty("", 0, "FILE_TOO_LARGE", `the file is ${bytes.length} bytes; at most ${maxFileBytes} are read`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isUtf8(buffer)) return notUtf8(buffer);
  const text = buffer.toString("utf8");
  return { text: text.startsWith("\ufeff") ? text.slice(1) : text };
}

/** What the quick reader leaves alone and the careful one shall not see: too many lines, forbidden characters. */
export function findFault(text: string): TextFault | undefined {
  let lines = 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines += 1;
  if (lines > maxLines) {
    return { offset: 0, code: "FILE_TOO_LARGE", message: `the file has ${lines} lines; at most ${maxLines} are read` };
  }
  const match = forbidden.exec(text);
  if (match === null) return undefined;
  const character = (text.codePointAt(match.index) ?? 0).toString(16).toUpperCase().padStart(4, "0");
  const name = character === "0000" ? "NUL (U+0000)" : `U+${character}`;
  const message = `${name} may not stand in a YAML file: delete it`;
  return { offset: match.index, code: "TEXT_CONTROL_CHARACTER", message };
}

function faulty(text: string, offset: number, code: ProblemCode, message: string): Decoded {
  return { text, fault: { offset, code, message } };
}

function notUtf8(buffer: Buffer): Decoded {
  const start = firstInvalid(buffer);
  const valid = buffer.toString("utf8", 0, start);
  const byte = (buffer[start] ?? 0).toString(16).toUpperCase().padStart(2, "0");
  return faulty(valid, valid.length, "TEXT_NOT_UTF8", `byte 0x${byte} is not UTF-8: save the file as UTF-8`);
}

/** The offset of the first byte that no UTF-8 text has there, by halving: a prefix is valid or cut within a character. */
function firstInvalid(buffer: Buffer): number {
  let low = 0;
  let high = buffer.length;
  while (high - low > 8) {
    const middle = (low + high) >> 1;
    if (isUtf8Prefix(buffer.subarray(0, middle))) low = middle;
    else high = middle;
  }
  let start = Math.max(0, low - 4);
  while (start > 0 && ((buffer[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  while (start < buffer.length) {
    const length = [1, 2, 3, 4].find((bytes) => isUtf8(buffer.subarray(start, start + bytes)));
    if (length === undefined || start + length > buffer.length) break;
    start += length;
  }
  return start;
}

function isUtf8Prefix(bytes: Buffer): boolean {
  return [0, 1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut)));
}
