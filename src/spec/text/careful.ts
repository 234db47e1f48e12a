import type { CST, Document, Node } from "yaml";
import { Composer, Lexer, LineCounter, Parser } from "yaml";
import type { Path } from "../problem.ts";
import { readNode } from "./careful-node.ts";
import type { TextFault } from "./decode.ts";
import { maxDepth, maxDocuments, maxValues } from "./limits.ts";

export interface CarefulDocument {
  /** Undefined when the text has a fault. */
  readonly value: unknown;
  readonly line: number;
  /** Where a number reads back differently from how it is written: `0644`, `1.10`. */
  readonly ambiguous: readonly Path[];
  /** The tree with positions; null where nothing could be read. */
  readonly root: Node | null;
}

export interface CarefulText {
  readonly documents: readonly CarefulDocument[];
  readonly faults: readonly TextFault[];
  readonly lines: LineCounter;
}

const maxTokens = 4 * maxValues;
const maxSyntaxErrors = 20;

/**
 * Reads any YAML 1.2 text, with the position of everything, in time and memory bounded by the limits above.
 * What YAML allows and deployments do not need (tags, merge keys, keys that are not text) is a fault.
 */
export function parseCarefully(text: string): CarefulText {
  const lines = new LineCounter();
  const documents: CarefulDocument[] = [];
  const faults: TextFault[] = [];
  const budget = { values: maxValues };
  try {
    // Unique keys are checked in readNode: the composer compares each key with each.
    const composer = new Composer({ version: "1.2", schema: "core", uniqueKeys: false, logLevel: "silent" });
    for (const document of composer.compose(tokens(text, lines), true, text.length)) {
      if (documents.length >= maxDocuments) {
        throw new LimitExceeded(startOf(document), "YAML_TOO_MANY_DOCUMENTS", "a file may hold at most 100 documents");
      }
      // Nothing between two markers, or in the whole file, is no document.
      if (document.contents === null && document.errors.length === 0) continue;
      documents.push(readDocument(document, { lines, faults, budget }));
    }
  } catch (error) {
    if (!(error instanceof LimitExceeded)) throw error;
    return { documents: [], faults: [error], lines };
  }
  return { documents, faults, lines };
}

class LimitExceeded extends Error implements TextFault {
  readonly offset: number;
  readonly code: TextFault["code"];

  constructor(offset: number, code: TextFault["code"], message: string) {
    super(message);
    this.offset = offset;
    this.code = code;
  }
}

/** The tokens of a text, as long as they keep to the limits: everything after them works recursively. */
function* tokens(text: string, lines: LineCounter): Generator<CST.Token> {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  let count = 0;
  let errors = 0;
  for (const lexeme of new Lexer().lex(text)) {
    count += isSpace(lexeme) ? 0 : 1;
    if (count > maxTokens) throw tooManyValues(parser.offset);
    for (const token of parser.next(lexeme)) {
      if (token.type === "directive") {
        throw new LimitExceeded(token.offset, "YAML_INVALID", `a line that starts with % is a directive: remove it`);
      }
      errors += token.type === "error" ? 1 : 0;
      yield token;
    }
    // One entry for the document and one for a scalar.
    if (parser.stack.length > maxDepth + 2) throw tooDeep(parser.offset);
    if (errors > maxSyntaxErrors) return;
  }
  yield* parser.end();
}

function isSpace(lexeme: string): boolean {
  const first = lexeme.charCodeAt(0);
  return first === 0x20 || first === 0x0a || first === 0x0d || first === 0x23;
}

function tooManyValues(offset: number): LimitExceeded {
  return new LimitExceeded(offset, "YAML_TOO_MANY_VALUES", `a file may hold at most ${maxValues} values`);
}

function tooDeep(offset: number): LimitExceeded {
  return new LimitExceeded(offset, "YAML_TOO_DEEP", `values are nested more than ${maxDepth} deep`);
}

interface Reading {
  readonly lines: LineCounter;
  readonly faults: TextFault[];
  readonly budget: { values: number };
}

function startOf(document: Document.Parsed): number {
  return document.contents?.range?.[0] ?? document.range[0];
}

function readDocument(document: Document.Parsed, { lines, faults, budget }: Reading): CarefulDocument {
  const root = document.contents;
  const offset = startOf(document);
  const line = lines.linePos(offset).line;
  // The errors after the first are mostly its consequences.
  const [error] = document.errors;
  if (error !== undefined) {
    faults.push(syntaxFault(error));
    return { value: undefined, line, ambiguous: [], root };
  }
  const found = readNode(root, budget);
  if (budget.values < 0) throw tooManyValues(offset);
  if (found.deepAt !== undefined) throw tooDeep(found.deepAt);
  faults.push(...found.faults);
  return { value: found.faults.length > 0 ? undefined : found.value, line, ambiguous: found.ambiguous, root };
}

function syntaxFault(error: Document.Parsed["errors"][number]): TextFault {
  const [offset] = error.pos;
  if (error.code === "TAB_AS_INDENT") {
    return { offset, code: "YAML_TAB", message: "a tab may not indent a line: use spaces" };
  }
  if (error.code === "BLOCK_AS_IMPLICIT_KEY") {
    return { offset, code: "YAML_INVALID", message: 'a value may not hold ": " or end in ":" without quotes' };
  }
  const message = error.message.charAt(0).toLowerCase() + error.message.slice(1);
  return { offset, code: "YAML_INVALID", message: message.replaceAll(/\s+/g, " ").slice(0, 300) };
}
