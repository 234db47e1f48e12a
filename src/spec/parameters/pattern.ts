import type { Part } from "./pattern-syntax.ts";
import { PatternRefused, readPattern } from "./pattern-syntax.ts";

/** What matching may still cost, shared by all patterns of one check. One step is one instruction at one character. */
export interface StepBudget {
  steps: number;
}

/** Thrown when the budget is spent. */
export class PatternTooSlow extends Error {}

type Instruction =
  | { readonly op: "character"; readonly accepts: (character: string) => boolean }
  | { readonly op: "split"; readonly to: number; readonly or: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "assert"; readonly what: Extract<Part, { type: "assert" }>["what"] }
  | { readonly op: "match" };

const maxInstructions = 2000;

/**
 * A regular expression that never backtracks: all ways through it are followed at once, one character at a time, so
 * that time grows with the length of the text alone (R. Cox, "Regular Expression Matching: the Virtual Machine
 * Approach"). Means what `new RegExp(source, "u").test` means. Throws SyntaxError for what is no pattern and
 * PatternRefused for what cannot be matched so.
 */
export function compilePattern(source: string): (text: string, budget: StepBudget) => boolean {
  void new RegExp(source, "u");
  const program: Instruction[] = [];
  emit(program, readPattern(source));
  program.push({ op: "match" });
  return (text, budget) => runProgram(program, text, budget);
}

function add(program: Instruction[], instruction: Instruction): void {
  if (program.length >= maxInstructions) throw new PatternRefused("it is too large, its repetitions written out");
  program.push(instruction);
}

function emit(program: Instruction[], part: Part): void {
  switch (part.type) {
    case "character":
      add(program, { op: "character", accepts: acceptor(part.source) });
      return;
    case "sequence":
      for (const inner of part.parts) emit(program, inner);
      return;
    case "assert":
      add(program, { op: "assert", what: part.what });
      return;
    case "choice":
      emitChoice(program, part.parts);
      return;
    case "repeat":
      emitRepeat(program, part);
      return;
    default:
      part satisfies never;
  }
}

function acceptor(source: string): (character: string) => boolean {
  if (/^[A-Za-z0-9 _-]$/.test(source)) return (character) => character === source;
  // One character against one class: there is nothing to backtrack over.
  const single = new RegExp(`^${source}$`, "u");
  return (character) => single.test(character);
}

function emitChoice(program: Instruction[], parts: readonly Part[]): void {
  const ends: { op: "jump"; to: number }[] = [];
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const split = program.length;
    if (!isLast) add(program, { op: "jump", to: 0 });
    emit(program, part);
    if (isLast) break;
    const end: { op: "jump"; to: number } = { op: "jump", to: 0 };
    add(program, end);
    ends.push(end);
    program[split] = { op: "split", to: split + 1, or: program.length };
  }
  for (const end of ends) end.to = program.length;
}

function emitRepeat(program: Instruction[], { part, min, max }: Extract<Part, { type: "repeat" }>): void {
  if (Math.max(min, max === Infinity ? 0 : max) > maxInstructions) throw new PatternRefused("it repeats too often");
  for (let count = 0; count < min; count += 1) {
    const before = program.length;
    emit(program, part);
    // An empty group, however often repeated.
    if (program.length === before) break;
  }
  if (max === Infinity) {
    const split = program.length;
    add(program, { op: "jump", to: 0 });
    emit(program, part);
    add(program, { op: "jump", to: split });
    program[split] = { op: "split", to: split + 1, or: program.length };
    return;
  }
  const splits: number[] = [];
  for (let count = min; count < max; count += 1) {
    splits.push(program.length);
    add(program, { op: "jump", to: 0 });
    emit(program, part);
  }
  for (const split of splits) program[split] = { op: "split", to: split + 1, or: program.length };
}

interface Place {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

function runProgram(program: readonly Instruction[], text: string, budget: StepBudget): boolean {
  const characters = Array.from(text);
  // For each instruction the position at which it was last reached: none is followed twice from one place.
  const reached = new Int32Array(program.length).fill(-1);
  let threads: number[] = [];
  for (let position = 0; position <= characters.length; position += 1) {
    const place: Place = { before: characters[position - 1], after: characters[position] };
    const waiting: number[] = [];
    // A match may begin anywhere.
    const pending = [0, ...threads.toReversed()];
    while (pending.length > 0) {
      const index = pending.pop() ?? 0;
      if (reached[index] === position) continue;
      reached[index] = position;
      budget.steps -= 1;
      if (budget.steps < 0) throw new PatternTooSlow("the text is too long for its pattern");
      const instruction = program[index];
      if (instruction === undefined) continue;
      if (instruction.op === "match") return true;
      follow(instruction, index, { place, pending, waiting });
    }
    threads = waiting;
  }
  return false;
}

interface Threads {
  readonly place: Place;
  /** To be followed at this position. */
  readonly pending: number[];
  /** To be followed at the next one. */
  readonly waiting: number[];
}

function follow(instruction: Instruction, index: number, { place, pending, waiting }: Threads): void {
  switch (instruction.op) {
    case "jump":
      pending.push(instruction.to);
      return;
    case "split":
      pending.push(instruction.or, instruction.to);
      return;
    case "assert":
      if (holds(instruction.what, place)) pending.push(index + 1);
      return;
    case "character":
      if (place.after !== undefined && instruction.accepts(place.after)) waiting.push(index + 1);
      return;
    case "match":
      return;
    default:
      instruction satisfies never;
  }
}

const isWord = (character: string | undefined): boolean => character !== undefined && /^\w$/.test(character);

function holds(what: Extract<Part, { type: "assert" }>["what"], { before, after }: Place): boolean {
  switch (what) {
    case "start":
      return before === undefined;
    case "end":
      return after === undefined;
    case "word":
      return isWord(before) !== isWord(after);
    case "noWord":
      return isWord(before) === isWord(after);
    default:
      return what satisfies never;
  }
}
