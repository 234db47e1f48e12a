/** Where the quick reader stands. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** The column of `at`, when `at` is the first character of a line's content; -1 at the end of a document. */
  indent: number;
  depth: number;
}

/** Thrown, and caught by `parseQuickly`, where a text leaves what the quick reader knows. One value: no stack is made. */
export const notQuick: Error = new Error("not in the subset that is read quickly");

// Deeper is for the careful parser to refuse.
export const maxDepth = 60;

export const char = {
  newline: 10,
  space: 32,
  doubleQuote: 34,
  hash: 35,
  singleQuote: 39,
  comma: 44,
  dash: 45,
  dot: 46,
  colon: 58,
  openBracket: 91,
  backslash: 92,
  closeBracket: 93,
  pipe: 124,
  greater: 62,
  openBrace: 123,
  closeBrace: 125,
} as const;

// More keys than this in one map are for the careful parser: each is compared with each.
const maxKeys = 200;

/** Refuses a key that is there already. For the few keys of most maps a list is quicker than asking the map. */
export function noteKey(keys: string[], key: string): void {
  if (keys.includes(key) || key === "__proto__" || keys.length >= maxKeys) throw notQuick;
  keys.push(key);
}

/** From the end of a line over empty lines and comments to the next content, or the end of the document. */
export function toNextLine(cursor: Cursor): void {
  const { text } = cursor;
  let at = cursor.at;
  for (;;) {
    if (at >= text.length) break;
    const start = at + 1;
    at = start;
    while (text.charCodeAt(at) === char.space) at += 1;
    const first = text.charCodeAt(at);
    if (first === char.newline) continue;
    if (at >= text.length) break;
    if (first === char.hash) {
      at = endOfLine(text, at);
      continue;
    }
    cursor.at = at;
    cursor.indent = at === start && isMarker(text, at, first) ? -1 : at - start;
    return;
  }
  cursor.at = text.length;
  cursor.indent = -1;
}

function isMarker(text: string, at: number, first: number): boolean {
  return (first === char.dash && text.startsWith("---", at)) || (first === char.dot && text.startsWith("...", at));
}

export function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}

/** After a value: nothing but a comment may follow on its line. Goes on to the next line with content. */
export function finishLine(cursor: Cursor): void {
  const { text } = cursor;
  const from = cursor.at;
  while (text.charCodeAt(cursor.at) === char.space) cursor.at += 1;
  const next = text.charCodeAt(cursor.at);
  if (next === char.hash && cursor.at > from) cursor.at = endOfLine(text, cursor.at);
  else if (next !== char.newline && cursor.at < text.length) throw notQuick;
  toNextLine(cursor);
}
