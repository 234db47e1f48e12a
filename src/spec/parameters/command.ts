import { parameterVariable } from "./variable.ts";

// Of a template language's own placeholders, such as `{{.Names}}`, none begins with a letter.
const placeholder = /\{\{\s*([A-Za-z][\w.-]*)\s*\}\}/y;

type Quote = "none" | "single" | "double";

/**
 * The command with each `{{ name }}` of `names` as a reference to the parameter's variable, quoted for the place where
 * it stands: a shell reads the variable, and never a value. Braces around other names, and in comments, are left alone.
 * Throws a TypeError for a placeholder where no quoting is safe: within backquotes, in a command with a here-document,
 * or in what another shell is given to read.
 */
export function withParameters(command: string, names: ReadonlySet<string>): string {
  if (names.size === 0) return command;
  const contexts: Quote[] = ["none"];
  let text = "";
  let backquotes = 0;
  const scripts = scriptsIn(command);
  for (let index = 0; index < command.length;) {
    const quote = contexts.at(-1) ?? "none";
    placeholder.lastIndex = index;
    const [found, name = ""] = placeholder.exec(command) ?? [];
    if (found !== undefined && names.has(name)) {
      const isScript = scripts.some(({ from, to }) => from <= index && index < to);
      refuseUnsafe(command, name, { isScript, isBackquoted: backquotes % 2 === 1 });
      text += reference(name, quote);
      index += found.length;
      continue;
    }
    const step = nextToken(command, index, quote);
    if (step === "`" && quote !== "single") backquotes += 1;
    track(contexts, step, quote);
    text += step;
    index += step.length;
  }
  return text;
}

/** The names that stand in the command's placeholders. */
export function placeholdersOf(command: string): ReadonlySet<string> {
  const all = new RegExp(placeholder.source, "g");
  return new Set([...command.matchAll(all)].map(([, name = ""]) => name));
}

// POSIX, Shell Command Language, 2.3: where a word would begin, # begins a comment.
const comment = /(?<=^|[\s;&|()])#[^\n]*/y;

/** One character, or those that belong together. */
function nextToken(command: string, index: number, quote: Quote): string {
  comment.lastIndex = index;
  const [said] = (quote === "none" && comment.exec(command)) || [];
  if (said !== undefined) return said;
  const two = command.slice(index, index + 2);
  if (quote !== "single" && (two.startsWith("\\") || two === "$(")) return two;
  return command.charAt(index);
}

function track(contexts: Quote[], token: string, quote: Quote): void {
  const isOpen = contexts.length > 1;
  if (quote === "single") {
    if (token === "'") contexts.pop();
  } else if (token === "$(" || (token === "(" && quote === "none")) {
    contexts.push("none");
  } else if (token === ")" && quote === "none" && isOpen) {
    contexts.pop();
  } else if (token === '"') {
    if (quote === "double") contexts.pop();
    else contexts.push("double");
  } else if (token === "'" && quote === "none") {
    contexts.push("single");
  }
}

function reference(name: string, quote: Quote): string {
  const variable = `\${${parameterVariable(name)}}`;
  if (quote === "double") return variable;
  return quote === "single" ? `'"${variable}"'` : `"${variable}"`;
}

interface Span {
  readonly from: number;
  readonly to: number;
}

// A word as it is written, with all that is quoted in it.
const word = String.raw`(?:\{\{[^{}]*\}\}|"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s'"\\])+`;
const gap = String.raw`(?:[ \t]|\\\n)+`;
const flag = String.raw`(?:[-+]\w*o${gap}\w+|[-+]\S+)`;
const shellScript = new RegExp(
  String.raw`(?<![\w.-])(?:(?:ba|da|z|k|a|fi)?sh|su)(?:${gap}${flag}){0,5}?${gap}-\w*c${gap}(${word})`,
  "dgs",
);
const evaluated = /(?<![\w./-])eval\s.*/gs;

/** What shells within the command are given to read: `sh -c '…'`, and all from `eval` on. */
function scriptsIn(command: string): readonly Span[] {
  const given = [...command.matchAll(shellScript)].flatMap(({ indices }) => (indices?.[1] ? [indices[1]] : []));
  const rest = [...command.matchAll(evaluated)].map(({ index }) => [index, command.length] as const);
  return [...given, ...rest].map(([from, to]) => ({ from, to }));
}

interface Standing {
  readonly isScript: boolean;
  readonly isBackquoted: boolean;
}

function refuseUnsafe(command: string, name: string, { isScript, isBackquoted }: Standing): void {
  const variable = `$${parameterVariable(name)}`;
  if (isScript) {
    throw new TypeError(
      `{{ ${name} }} stands in what another shell is given, which would read its value: write "${variable}" there, within single quotes`,
    );
  }
  const where = isBackquoted ? "within backquotes" : command.includes("<<") ? "beside a here-document" : null;
  if (where === null) return;
  throw new TypeError(`{{ ${name} }} stands ${where}, where its value cannot be quoted safely: use ${variable} there`);
}
