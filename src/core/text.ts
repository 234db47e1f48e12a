// Deeper than anybody writes; PostgreSQL's JSON and our own checks go a few thousand deep.
const maxDepth = 1_000;

/** Whether PostgreSQL's text and JSON, and variables of an environment, can hold it: no NUL, no half of a pair. */
export const isKeepable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();

/** The text with what cannot be kept replaced, for what others wrote and we only show. */
export const keepableText = (text: string): string => text.replaceAll("\0", "\u2400").toWellFormed();

/** Why a value of JSON cannot be kept, in words that follow what it is called; null where it can. */
export function unkeepable(value: unknown): string | null {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) return `is nested more than ${maxDepth} deep: make it flatter`;
    const next: unknown[] = [];
    for (const one of level) {
      const texts = typeof one === "string" ? [one] : isBranch(one) ? Object.keys(one) : [];
      const fault = texts.find((text) => !isKeepable(text));
      if (fault !== undefined) return faultOf(fault);
      if (isBranch(one)) for (const each of Object.values(one)) next.push(each);
    }
    level = next;
  }
  return null;
}

const isBranch = (value: unknown): value is object => typeof value === "object" && value !== null;

const faultOf = (text: string): string =>
  text.includes("\0")
    ? "holds the character U+0000: leave it out"
    : "holds half of a surrogate pair (U+D800 to U+DFFF): leave it out";
