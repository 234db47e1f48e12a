import { maxDocuments } from "./limits.ts";
import type { Cursor } from "./quick-cursor.ts";
import { char, finishLine, maxDepth, noteKey, notQuick, toNextLine } from "./quick-cursor.ts";
import { flowCollection } from "./quick-flow.ts";
import { blockScalar, endOfKey, plainScalar, quotedKey, quotedScalar } from "./quick-scalar.ts";

export interface QuickDocument {
  readonly value: unknown;
  /** The line of its first key, from 1. */
  readonly line: number;
}

// With at least two characters to a value this also bounds how many there are.
const maxLength = 64 * 1024;

// Tabs, carriage returns, NEL and the Unicode line ends have rules of their own.
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const unusual = /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/;

/**
 * Reads the YAML that people mostly write: block maps and lists, scalars on one line, flow collections on one line,
 * literal and simple folded text, comments. Undefined for anything else, correct or not: `parseCarefully` then decides.
 * What it does read is exactly what `parseCarefully` reads (quick.test.ts compares the two on generated texts).
 */
export function parseQuickly(text: string): QuickDocument[] | undefined {
  if (text.length > maxLength || unusual.test(text)) return undefined;
  try {
    return documents(text);
  } catch (error) {
    if (error === notQuick) return undefined;
    throw error;
  }
}

function documents(text: string): QuickDocument[] {
  const found: QuickDocument[] = [];
  const cursor: Cursor = { text, at: -1, indent: -1, depth: 0 };
  toNextLine(cursor);
  do {
    if (isAtEnd(cursor)) skipMarker(cursor);
    if (cursor.indent !== 0 || found.length >= maxDocuments) throw notQuick;
    const start = cursor.at;
    const value = blockMap(cursor, 0);
    if (!isAtEnd(cursor)) throw notQuick;
    found.push({ value, line: lineOf(text, start) });
  } while (cursor.at < text.length);
  return found;
}

function isAtEnd(cursor: Cursor): boolean {
  return cursor.indent === -1;
}

/** Over a line `---`; `...`, text behind the marker and empty documents are for the careful parser. */
function skipMarker(cursor: Cursor): void {
  if (!cursor.text.startsWith("---", cursor.at)) throw notQuick;
  cursor.at += 3;
  finishLine(cursor);
}

function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

/** A map whose keys stand at column `indent`, the cursor on the first of them. */
function blockMap(cursor: Cursor, indent: number): Record<string, unknown> {
  cursor.depth += 1;
  if (cursor.depth > maxDepth) throw notQuick;
  const { text } = cursor;
  const map: Record<string, unknown> = {};
  const keys: string[] = [];
  do {
    const key = blockKey(cursor, text);
    noteKey(keys, key);
    map[key] = valueOfKey(cursor, indent);
  } while (cursor.indent === indent);
  if (cursor.indent > indent) throw notQuick;
  cursor.depth -= 1;
  return map;
}

function blockKey(cursor: Cursor, text: string): string {
  const first = text.charCodeAt(cursor.at);
  if (first !== char.doubleQuote && first !== char.singleQuote) {
    const end = endOfKey(text, cursor.at);
    if (end === -1) throw notQuick;
    const key = text.slice(cursor.at, end);
    cursor.at = end + 1;
    return key;
  }
  const key = quotedKey(cursor, first);
  const next = text.charCodeAt(cursor.at + 1);
  if (text.charCodeAt(cursor.at) !== char.colon || (next !== char.space && next !== char.newline)) throw notQuick;
  cursor.at += 1;
  return key;
}

function valueOfKey(cursor: Cursor, indent: number): unknown {
  const { text } = cursor;
  const from = cursor.at;
  while (text.charCodeAt(cursor.at) === char.space) cursor.at += 1;
  const first = text.charCodeAt(cursor.at);
  if (first !== char.newline && cursor.at < text.length && !(first === char.hash && cursor.at > from)) {
    return valueOnLine(cursor, indent);
  }
  cursor.at = from;
  finishLine(cursor);
  if (cursor.indent > indent) return blockCollection(cursor);
  if (cursor.indent === indent && isItem(cursor)) return blockList(cursor, indent);
  return null;
}

/** A list or map that starts a line; a scalar on a line of its own is for the careful parser. */
function blockCollection(cursor: Cursor): unknown {
  return isItem(cursor) ? blockList(cursor, cursor.indent) : blockMap(cursor, cursor.indent);
}

function isItem(cursor: Cursor): boolean {
  const { text, at } = cursor;
  if (text.charCodeAt(at) !== char.dash) return false;
  const next = text.charCodeAt(at + 1);
  return next === char.space || next === char.newline || at + 1 >= text.length;
}

function blockList(cursor: Cursor, indent: number): unknown[] {
  cursor.depth += 1;
  if (cursor.depth > maxDepth) throw notQuick;
  const list: unknown[] = [];
  do list.push(item(cursor, indent));
  while (cursor.indent === indent && isItem(cursor));
  if (cursor.indent > indent) throw notQuick;
  cursor.depth -= 1;
  return list;
}

function item(cursor: Cursor, indent: number): unknown {
  const { text } = cursor;
  const dash = cursor.at;
  cursor.at += 1;
  while (text.charCodeAt(cursor.at) === char.space) cursor.at += 1;
  const first = text.charCodeAt(cursor.at);
  if (first === char.newline || first === char.hash || cursor.at >= text.length) {
    cursor.at = dash + 1;
    finishLine(cursor);
    return cursor.indent > indent ? blockCollection(cursor) : null;
  }
  if (endOfKey(text, cursor.at) !== -1) return blockMap(cursor, indent + cursor.at - dash);
  return valueOnLine(cursor, indent);
}

/** A value that starts on the line of its key or dash. What follows on deeper lines would continue it: not quick. */
function valueOnLine(cursor: Cursor, indent: number): unknown {
  const first = cursor.text.charCodeAt(cursor.at);
  if (first === char.pipe || first === char.greater) return blockScalar(cursor, indent);
  const value = valueWithinLine(cursor, first);
  finishLine(cursor);
  if (cursor.indent > indent) throw notQuick;
  return value;
}

function valueWithinLine(cursor: Cursor, first: number): unknown {
  if (first === char.doubleQuote || first === char.singleQuote) return quotedScalar(cursor, first);
  if (first === char.openBracket || first === char.openBrace) return flowCollection(cursor);
  return plainScalar(cursor);
}
