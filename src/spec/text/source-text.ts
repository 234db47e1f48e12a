import type { Finding, Path, Problem } from "../problem.ts";
import type { CarefulText } from "./careful.ts";
import { parseCarefully } from "./careful.ts";
import type { TextFault } from "./decode.ts";
import { decode, findFault } from "./decode.ts";
import type { Position } from "./position.ts";
import { locate, positionAt } from "./position.ts";
import { parseQuickly } from "./quick.ts";

export interface ReadDocument {
  readonly value: unknown;
  /** The line of its first key, from 1. */
  readonly line: number;
  /** Where a number reads back differently from how it is written. */
  readonly ambiguous: readonly Path[];
}

/** A file's documents, and where what is in them stands. */
export interface SourceText {
  /** Documents with a fault of their own are not among them, nor counted by `locate`. */
  readonly documents: readonly ReadDocument[];
  readonly problems: readonly Problem[];
  /** Works out positions when first asked: most files have no problem. */
  locate(document: number, finding: Pick<Finding, "path" | "at">): Position;
}

/** Reads a file's bytes: quickly where that is certain to be right, else carefully. */
export function readText(path: string, bytes: Uint8Array): SourceText {
  const decoded = decode(bytes);
  if ("fault" in decoded) return faultyText(path, decoded.text, decoded.fault);
  const { text } = decoded;
  const quick = parseQuickly(text);
  if (quick === undefined) {
    const fault = findFault(text);
    return fault === undefined ? carefulText(path, parseCarefully(text)) : faultyText(path, text, fault);
  }
  let careful: SourceText | undefined;
  return {
    documents: quick.map((document) => ({ ...document, ambiguous: [] })),
    problems: [],
    locate: (document, finding) => {
      careful ??= carefulText(path, parseCarefully(text));
      return careful.locate(document, finding);
    },
  };
}

function carefulText(path: string, { documents, faults, lines }: CarefulText): SourceText {
  const sound = documents.filter((document) => document.value !== undefined);
  return {
    documents: sound,
    problems: faults.map(({ offset, code, message }) => ({ file: path, ...positionAt(lines, offset), code, message })),
    locate: (document, finding) => locate({ root: sound[document]?.root ?? null, lines }, finding),
  };
}

/** `text` is what can be read, at least up to the fault. */
function faultyText(path: string, text: string, { offset, code, message }: TextFault): SourceText {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - (before.lastIndexOf("\n") + 1) + 1;
  return {
    documents: [],
    problems: [{ file: path, line, column, code, message }],
    locate: () => ({ line, column }),
  };
}
