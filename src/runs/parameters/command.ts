import { parameterVariable } from "./environment.ts";

// Of a template language's own placeholders, such as `{{.Names}}`, none begins with a letter.
const placeholder = /\{\{\s*([A-Za-z][\w.-]*)\s*\}\}/y;

type Quote = "none" | "single" | "double";

/**
 * The command with each `{{ name }}` of `names` as a reference to the parameter's variable, quoted for the place where
 * it stands: a shell reads the variable, and never a value. Braces around other names are left alone. Throws a
 * TypeError for a placeholder where no quoting is safe: within backquotes, or in a command with a here-document.
 */
export function withParameters(command: string, names: ReadonlySet<string>): string {
  if (names.size === 0) return command;
  const contexts: Quote[] = ["none"];
  let text = "";
  let backquotes = 0;
  for (let index = 0; index < command.length;) {
    const quote = contexts.at(-1) ?? "none";
    placeholder.lastIndex = index;
    const [found, name = ""] = placeholder.exec(command) ?? [];
    if (found !== undefined && names.has(name)) {
      refuseUnsafe(command, name, backquotes);
      text += reference(name, quote);
      index += found.length;
      continue;
    }
    const step = nextToken(command, index, quote);
    if (step === "`") backquotes += 1;
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

/** One character, or those that belong together. */
function nextToken(command: string, index: number, quote: Quote): string {
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

function refuseUnsafe(command: string, name: string, backquotes: number): void {
  const where = backquotes % 2 === 1 ? "within backquotes" : command.includes("<<") ? "beside a here-document" : null;
  if (where === null) return;
  throw new TypeError(
    `{{ ${name} }} stands ${where}, where its value cannot be quoted safely: use $${parameterVariable(name)} there`,
  );
}
