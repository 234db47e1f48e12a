import type { Cursor } from "./quick-cursor.ts";
import { char, maxDepth, noteKey, notQuick } from "./quick-cursor.ts";
import { endOfKey, plainValue, quotedKey, quotedScalar, startsPlain } from "./quick-scalar.ts";

/** A flow collection on one line, the cursor on its opening bracket. */
export function flowCollection(cursor: Cursor): unknown {
  cursor.depth += 1;
  if (cursor.depth > maxDepth) throw notQuick;
  const isList = cursor.text.charCodeAt(cursor.at) === char.openBracket;
  const collection = isList ? flowList(cursor) : flowMap(cursor);
  cursor.depth -= 1;
  return collection;
}

function flowList(cursor: Cursor): unknown[] {
  const list: unknown[] = [];
  if (opens(cursor, char.closeBracket)) return list;
  do list.push(flowValue(cursor));
  while (goesOn(cursor, char.closeBracket));
  return list;
}

function flowMap(cursor: Cursor): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  const keys: string[] = [];
  if (opens(cursor, char.closeBrace)) return map;
  do {
    const key = flowKey(cursor);
    noteKey(keys, key);
    map[key] = flowValue(cursor);
  } while (goesOn(cursor, char.closeBrace));
  return map;
}

/** Over the opening bracket and spaces; true when the collection is empty and closed. */
function opens(cursor: Cursor, close: number): boolean {
  cursor.at += 1;
  skipSpaces(cursor);
  if (cursor.text.charCodeAt(cursor.at) !== close) return false;
  cursor.at += 1;
  return true;
}

/** Over a comma, to the next item: true; over the closing bracket: false. */
function goesOn(cursor: Cursor, close: number): boolean {
  skipSpaces(cursor);
  const next = cursor.text.charCodeAt(cursor.at);
  cursor.at += 1;
  if (next === close) return false;
  if (next !== char.comma) throw notQuick;
  skipSpaces(cursor);
  return true;
}

function flowKey(cursor: Cursor): string {
  const { text } = cursor;
  const first = text.charCodeAt(cursor.at);
  let key: string;
  if (first === char.doubleQuote || first === char.singleQuote) {
    key = quotedKey(cursor, first);
    if (text.charCodeAt(cursor.at) !== char.colon) throw notQuick;
  } else {
    const end = endOfKey(text, cursor.at);
    if (end === -1) throw notQuick;
    key = text.slice(cursor.at, end);
    cursor.at = end;
  }
  cursor.at += 1;
  if (text.charCodeAt(cursor.at) !== char.space) throw notQuick;
  skipSpaces(cursor);
  return key;
}

function flowValue(cursor: Cursor): unknown {
  const { text } = cursor;
  const first = text.charCodeAt(cursor.at);
  if (first === char.openBracket || first === char.openBrace) return flowCollection(cursor);
  if (first === char.doubleQuote || first === char.singleQuote) return quotedScalar(cursor, first);
  if (!startsPlain(text, cursor.at)) throw notQuick;
  const start = cursor.at;
  let at = start;
  for (; ; at += 1) {
    const next = text.charCodeAt(at);
    if (next === char.comma || next === char.closeBracket || next === char.closeBrace) break;
    // Line ends, nested brackets, pairs and comments within a plain scalar are for the careful parser.
    if (next === char.newline || next === char.openBracket || next === char.openBrace || at >= text.length) {
      throw notQuick;
    }
    if (next === char.colon && endsPair(text.charCodeAt(at + 1))) throw notQuick;
    if (next === char.hash && text.charCodeAt(at - 1) === char.space) throw notQuick;
  }
  cursor.at = at;
  while (text.charCodeAt(at - 1) === char.space) at -= 1;
  return plainValue(text.slice(start, at));
}

/** A colon before one of these makes a pair in a flow collection. */
function endsPair(next: number): boolean {
  return (
    next === char.space ||
    next === char.newline ||
    next === char.comma ||
    next === char.closeBracket ||
    next === char.closeBrace ||
    next === char.openBracket ||
    next === char.openBrace
  );
}

function skipSpaces(cursor: Cursor): void {
  while (cursor.text.charCodeAt(cursor.at) === char.space) cursor.at += 1;
}
