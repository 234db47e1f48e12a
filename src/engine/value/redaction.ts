import { inspect } from "node:util";
import type { Json } from "../provider.ts";
import { secretTexts } from "./value.ts";

/** What stands where a secret was. */
export const redacted = "[redacted]";
// Anything shorter would blot out ordinary words; a secret that short protects nothing.
const minimumLength = 4;

export interface Redaction {
  /** From now on the secrets within never show in `clean`. */
  learn(value: Json): void;
  learnText(text: string): void;
  clean(text: string): string;
}

/** Knows every secret that passed through one operation and takes them out of what people get to read. */
export function makeRedaction(): Redaction {
  const known = new Set<string>();
  let ordered: readonly string[] | null = null;
  const learnText = (text: string): void => {
    for (const form of formsOf(text)) known.add(form);
    ordered = null;
  };
  return {
    learn: (value) => secretTexts(value).forEach(learnText),
    learnText,
    clean: (text) => {
      if (known.size === 0) return text;
      // Longest first: a secret may contain another.
      ordered ??= [...known].sort((left, right) => right.length - left.length);
      return ordered.reduce((cleaned, secret) => cleaned.replaceAll(secret, redacted), text);
    },
  };
}

/** As it is, line by line, and as JSON, a URL, a form, base64 or an error of Node's would carry it. */
function formsOf(text: string): readonly string[] {
  const forms = [
    text,
    ...text.split(/\r?\n/),
    ...quotedForms(text),
    inspect(text, { maxStringLength: null }).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
    new URLSearchParams({ "": text }).toString().slice(1),
    Buffer.from(text).toString("base64"),
    Buffer.from(text).toString("base64url"),
  ];
  return forms.filter((form) => form.trim().length >= minimumLength);
}

/** In a document, and in one that stands as a text in another. Go's encoder writes three characters its own way. */
function quotedForms(text: string): readonly string[] {
  const once = JSON.stringify(text).slice(1, -1);
  const byGo = once.replaceAll(/[&<>]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
  return [once, byGo, JSON.stringify(once).slice(1, -1), JSON.stringify(byGo).slice(1, -1)];
}
