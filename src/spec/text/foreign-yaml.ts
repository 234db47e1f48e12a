import type { Document, Node } from "yaml";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from "yaml";
import type { Path } from "../problem.ts";

/** A document of another product's file: any YAML or JSON, merge keys and aliases resolved. */
export interface ForeignDocument {
  readonly value: unknown;
  /** The line, from 1, of what stands at the path, or of the nearest thing around it. */
  lineOf(path: Path): number;
}

export interface ForeignFault {
  readonly line: number;
  readonly message: string;
}

export type ForeignText = { readonly documents: readonly ForeignDocument[] } | { readonly fault: ForeignFault };

/** Reads text that came from another product's files, of bounded size. */
export function readForeign(text: string): ForeignText {
  const lines = new LineCounter();
  const documents: ForeignDocument[] = [];
  for (const document of parseAllDocuments(text, { merge: true, lineCounter: lines })) {
    const [error] = document.errors;
    if (error) return { fault: { line: lines.linePos(error.pos[0]).line, message: firstLine(error.message) } };
    if (document.contents === null) continue;
    const value = plain(document);
    if (value instanceof Error) return { fault: { line: 1, message: firstLine(value.message) } };
    documents.push({ value, lineOf: (path) => lineOf(document, path, lines) });
  }
  return { documents };
}

/** Aliases that multiply beyond all measure are an error. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    return error;
  }
}

const firstLine = (text: string): string => text.split("\n")[0] ?? text;

function lineOf(document: Document, path: Path, lines: LineCounter): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const step of path) {
    const within = isAlias(node) ? node.resolve(document) : node;
    if (isSeq(within)) node = (within.items[Number(step)] as Node | undefined) ?? null;
    else if (isMap(within)) {
      const pair = within.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
      node = (pair?.value as Node | null | undefined) ?? null;
      continue;
    } else break;
    offset = node?.range?.[0] ?? offset;
  }
  return lines.linePos(offset).line;
}
