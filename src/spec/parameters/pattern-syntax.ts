/** A regular expression's parts: what is matched, without how. */
export type Part =
  | { readonly type: "character"; readonly source: string }
  | { readonly type: "sequence"; readonly parts: readonly Part[] }
  | { readonly type: "choice"; readonly parts: readonly Part[] }
  | { readonly type: "repeat"; readonly part: Part; readonly min: number; readonly max: number }
  | { readonly type: "assert"; readonly what: "start" | "end" | "word" | "noWord" };

/** Thrown for what cannot be matched in linear time, or takes too much room. */
export class PatternRefused extends Error {}

interface Reading {
  readonly source: string;
  at: number;
  depth: number;
}

const maxDepth = 50;

/**
 * Reads a pattern whose syntax `new RegExp(source, "u")` has found right. Throws PatternRefused for looking around,
 * back references and inline flags.
 */
export function readPattern(source: string): Part {
  return readChoice({ source, at: 0, depth: 0 });
}

function readChoice(reading: Reading): Part {
  const parts = [readSequence(reading)];
  while (reading.source[reading.at] === "|") {
    reading.at += 1;
    parts.push(readSequence(reading));
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { type: "choice", parts };
}

function readSequence(reading: Reading): Part {
  const parts: Part[] = [];
  for (;;) {
    const next = reading.source[reading.at];
    if (next === undefined || next === "|" || next === ")") return { type: "sequence", parts };
    parts.push(readRepeats(reading, readAtom(reading, next)));
  }
}

const counted = /\{(\d+)(,?)(\d*)\}/y;

function readRepeats(reading: Reading, part: Part): Part {
  const next = reading.source[reading.at];
  const simple = next === undefined ? undefined : { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] }[next];
  let min: number;
  let max: number;
  if (simple !== undefined) {
    [min = 0, max = 0] = simple;
    reading.at += 1;
  } else {
    counted.lastIndex = reading.at;
    const match = counted.exec(reading.source);
    if (match === null) return part;
    min = Number(match[1]);
    max = match[2] === "" ? min : match[3] === "" ? Infinity : Number(match[3]);
    reading.at += match[0].length;
  }
  // Whether it takes as much or as little as it can makes no difference to whether it matches.
  if (reading.source[reading.at] === "?") reading.at += 1;
  return { type: "repeat", part, min, max };
}

function readAtom(reading: Reading, next: string): Part {
  switch (next) {
    case "^":
    case "$":
      reading.at += 1;
      return { type: "assert", what: next === "^" ? "start" : "end" };
    case "(":
      return readGroup(reading);
    case "[":
      return readClass(reading);
    case "\\":
      return readEscape(reading);
    default: {
      const character = String.fromCodePoint(reading.source.codePointAt(reading.at) ?? 0);
      reading.at += character.length;
      return { type: "character", source: character };
    }
  }
}

const groupStart = /\((?:\?:|\?<[^=!>][^>]*>)?(?!\?)/y;

function readGroup(reading: Reading): Part {
  groupStart.lastIndex = reading.at;
  const match = groupStart.exec(reading.source);
  if (match === null) throw new PatternRefused("it looks ahead or back, or sets flags");
  reading.at += match[0].length;
  reading.depth += 1;
  if (reading.depth > maxDepth) throw new PatternRefused("its groups are nested too deep");
  const part = readChoice(reading);
  reading.depth -= 1;
  reading.at += 1;
  return part;
}

function readClass(reading: Reading): Part {
  const start = reading.at;
  while (reading.at < reading.source.length && reading.source[reading.at] !== "]") {
    reading.at += reading.source[reading.at] === "\\" ? 2 : 1;
  }
  reading.at += 1;
  return { type: "character", source: reading.source.slice(start, reading.at) };
}

const escape = /\\(?:u\{[\da-fA-F]+\}|u[\dA-Fa-f]{4}(?:\\u[\dA-Fa-f]{4})?|x[\da-fA-F]{2}|[pP]\{[^}]*\}|c[A-Za-z]|[^])/y;

function readEscape(reading: Reading): Part {
  const second = reading.source[reading.at + 1] ?? "";
  if (second === "b" || second === "B") {
    reading.at += 2;
    return { type: "assert", what: second === "b" ? "word" : "noWord" };
  }
  if (/[1-9k]/.test(second)) throw new PatternRefused("it refers back to a group");
  escape.lastIndex = reading.at;
  let source = escape.exec(reading.source)?.[0] ?? "\\";
  // Two escapes are one character only when they are a surrogate pair.
  if (source.length === 12 && !/^\\u[dD][89abAB]..\\u[dD][c-fC-F]..$/.test(source)) source = source.slice(0, 6);
  reading.at += source.length;
  return { type: "character", source };
}
