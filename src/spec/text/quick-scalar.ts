import type { Cursor } from "./quick-cursor.ts";
import { char, endOfLine, notQuick, toNextLine } from "./quick-cursor.ts";

/** True for `A-Z a-z 0-9 _ - . /`: what a key may hold to be read quickly. */
const isKeyCharacter: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  /[\w./-]/.test(String.fromCharCode(code)),
);

// YAML 1.2.2, section 7.4.2: an implicit key has at most 1024 characters, its escapes included.
const maxKeyLength = 1000;

/** The offset behind a plain key at `at`, where its colon stands; -1 when there is no such key. */
export function endOfKey(text: string, at: number): number {
  let end = at;
  while (isKeyCharacter[text.charCodeAt(end)] === true) end += 1;
  if (end === at || end - at > maxKeyLength || text.charCodeAt(end) !== char.colon) return -1;
  const first = text.charCodeAt(at);
  if (first === char.dash) return -1;
  const next = text.charCodeAt(end + 1);
  return next === char.space || next === char.newline || end + 1 >= text.length ? end : -1;
}

/** A quoted key on one line, the cursor on its opening quote. */
export function quotedKey(cursor: Cursor, quote: number): string {
  const start = cursor.at;
  const key = quotedScalar(cursor, quote);
  if (cursor.at - start > maxKeyLength) throw notQuick;
  return key;
}

/** A quoted scalar on one line, the cursor on its opening quote. */
export function quotedScalar(cursor: Cursor, quote: number): string {
  const { text } = cursor;
  const start = cursor.at + 1;
  const end = text.indexOf(quote === char.doubleQuote ? '"' : "'", start);
  if (end === -1) throw notQuick;
  const value = text.slice(start, end);
  if (value.includes("\n")) throw notQuick;
  if (quote === char.doubleQuote ? value.includes("\\") : text.charCodeAt(end + 1) === char.singleQuote) {
    return quote === char.doubleQuote ? escaped(cursor, start) : doubled(cursor, start);
  }
  cursor.at = end + 1;
  return value;
}

const simpleEscapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", '"': '"', "\\": "\\", "/": "/" };

function escaped(cursor: Cursor, start: number): string {
  const { text } = cursor;
  let value = "";
  for (let at = start; at < text.length; at += 1) {
    const next = text.charCodeAt(at);
    if (next === char.newline) break;
    if (next === char.doubleQuote) {
      cursor.at = at + 1;
      return value;
    }
    if (next === char.backslash) {
      at += 1;
      const meant = simpleEscapes[text.charAt(at)];
      if (meant === undefined) break;
      value += meant;
    } else value += text.charAt(at);
  }
  throw notQuick;
}

function doubled(cursor: Cursor, start: number): string {
  const { text } = cursor;
  for (let at = start; ; at += 2) {
    at = text.indexOf("'", at);
    if (at === -1) throw notQuick;
    if (text.charCodeAt(at + 1) === char.singleQuote) continue;
    const value = text.slice(start, at);
    if (value.includes("\n")) throw notQuick;
    cursor.at = at + 1;
    return value.replaceAll("''", "'");
  }
}

/** True for the characters that cannot start a plain scalar here: YAML's indicators, and what is rare enough. */
const isIndicator: readonly boolean[] = Array.from({ length: 128 }, (_, code) =>
  "-?:,[]{}#&*!|>'\"%@`".includes(String.fromCharCode(code)),
);

export function startsPlain(text: string, at: number): boolean {
  const first = text.charCodeAt(at);
  if (isIndicator[first] !== true) return true;
  // `-1`, `--flag`, `-c`
  const second = text.charCodeAt(at + 1);
  return first === char.dash && (second === char.dash || isKeyCharacter[second] === true);
}

/** A plain scalar that ends with its line or at a comment; the cursor is left behind it. */
export function plainScalar(cursor: Cursor): unknown {
  const { text, at } = cursor;
  if (!startsPlain(text, at)) throw notQuick;
  let end = at;
  let next = text.charCodeAt(end);
  while (next !== char.newline && end < text.length) {
    if (next === char.colon) {
      const after = text.charCodeAt(end + 1);
      if (after === char.space || after === char.newline || end + 1 >= text.length) throw notQuick;
    } else if (next === char.hash && text.charCodeAt(end - 1) === char.space) break;
    end += 1;
    next = text.charCodeAt(end);
  }
  cursor.at = end;
  while (text.charCodeAt(end - 1) === char.space) end -= 1;
  // finishLine wants to see the space before a comment.
  if (next === char.hash) cursor.at -= 1;
  return plainValue(text.slice(at, end));
}

// YAML 1.2.2, section 10.3.2: the core schema.
const number =
  /^(?:[-+]?\d+|0o[0-7]+|0x[\da-fA-F]+|[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN)$/;

const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["True", true],
  ["TRUE", true],
  ["false", false],
  ["False", false],
  ["FALSE", false],
  ["null", null],
  ["Null", null],
  ["NULL", null],
  ["~", null],
]);

export function plainValue(text: string): unknown {
  const first = text.charCodeAt(0);
  // + - . and digits
  if ((first >= 48 && first <= 57) || first === char.dash || first === char.dot || first === 43) {
    if (!number.test(text)) return text;
    const value = Number(text);
    // A number that reads back differently is noted by the careful parser, for `env` (ENV_AMBIGUOUS).
    if (String(value) !== text) throw notQuick;
    return value;
  }
  if (text.length <= 5 && words.has(text)) return words.get(text);
  return text;
}

/** Literal or folded text, the cursor on `|` or `>`; `parent` is the indentation that its lines must exceed. */
export function blockScalar(cursor: Cursor, parent: number): string {
  const { text } = cursor;
  const isFolded = text.charCodeAt(cursor.at) === char.greater;
  const isStripped = text.charCodeAt(cursor.at + 1) === char.dash;
  const header = cursor.at + (isStripped ? 2 : 1);
  if (text.charCodeAt(header) !== char.newline) throw notQuick;
  const lines: string[] = [];
  let indent = -1;
  let at = header + 1;
  let last = header;
  while (at < text.length) {
    let content = at;
    while (text.charCodeAt(content) === char.space) content += 1;
    const end = endOfLine(text, content);
    if (end === text.length) throw notQuick;
    if (content === end) {
      if (indent === -1 || content - at > indent) throw notQuick;
      lines.push("");
    } else {
      if (indent === -1) indent = content - at;
      if (content - at <= parent) break;
      if (content - at < indent) throw notQuick;
      lines.push(text.slice(at + indent, end));
    }
    last = end;
    at = end + 1;
  }
  if (indent <= parent) throw notQuick;
  cursor.at = last;
  toNextLine(cursor);
  return joined(lines, isFolded, isStripped);
}

function joined(lines: string[], isFolded: boolean, isStripped: boolean): string {
  while (lines.at(-1) === "") lines.pop();
  if (isFolded && lines.some((line) => line === "" || line.startsWith(" "))) throw notQuick;
  const body = lines.join(isFolded ? " " : "\n");
  return isStripped ? body : `${body}\n`;
}
