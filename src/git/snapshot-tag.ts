import { environmentName, isName, type CommitSha, type EnvironmentName } from "../core/names.ts";

/** A tag `waybill/ENVIRONMENT/N` as Git holds it. */
export interface SnapshotTag {
  readonly tag: string;
  readonly environment: EnvironmentName;
  readonly number: number;
  /** The tag object's id, or the commit's for a lightweight tag: another id under the same name is a moved tag. */
  readonly sha: string;
  readonly commit: CommitSha;
  /** Null for a lightweight tag. */
  readonly tagger: Person | null;
  readonly at: Date;
  /** Without trailers and signature. */
  readonly message: string;
  /** The last paragraph's `Key: value` lines; keys as they are written. */
  readonly trailers: Readonly<Record<string, string>>;
}

export interface Person {
  readonly name: string;
  readonly email: string;
}

// Nine digits: a number that JavaScript and PostgreSQL's integer hold, and no leading zero that would alias another.
const tagName = /^waybill\/([^/]+)\/([1-9][0-9]{0,8})$/;

/** `waybill/production/8` in its parts; null for any other name. */
export function parseTagName(tag: string): { environment: EnvironmentName; number: number } | null {
  const [, environment = "", number = ""] = tagName.exec(tag) ?? [];
  return isName(environment) ? { environment: environmentName(environment), number: Number(number) } : null;
}

const signature = /^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----$/m;
const trailerLine = /^([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)$/;

/**
 * Splits a tag's message into text and trailers. Stricter than git-interpret-trailers(1): the last paragraph counts
 * only when each of its lines is a trailer or continues one, so that prose with a colon is never taken for one.
 */
export function parseTrailers(message: string): { text: string; trailers: Record<string, string> } {
  const signed = message.search(signature);
  const whole = (signed < 0 ? message : message.slice(0, signed)).replaceAll("\r\n", "\n").trimEnd();
  const paragraph = whole.lastIndexOf("\n\n");
  const trailers = readParagraph(whole.slice(paragraph < 0 ? 0 : paragraph + 2));
  if (!trailers) return { text: whole.trim(), trailers: {} };
  return { text: paragraph < 0 ? "" : whole.slice(0, paragraph).trim(), trailers };
}

function readParagraph(paragraph: string): Record<string, string> | null {
  const trailers: [string, string][] = [];
  for (const line of paragraph.split("\n")) {
    const last = trailers.at(-1);
    const [, key, value = ""] = trailerLine.exec(line) ?? [];
    if (key !== undefined) trailers.push([key, value.trim()]);
    else if (last && /^[ \t]/.test(line)) last[1] += ` ${line.trim()}`;
    else return null;
  }
  return Object.fromEntries(trailers);
}

/** A message whose last paragraph is our trailers, whatever the text holds. */
export function formatMessage(text: string, trailers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(trailers).map(([key, value]) => `${key}: ${oneLine(value)}\n`);
  return `${printable(text).trim()}\n\n${lines.join("")}`;
}

/** A name or address as Git stores it: on one line, without the brackets that delimit an address. */
export const identityPart = (text: string): string => oneLine(text).replaceAll(/[<>]/g, "").trim() || "unknown";

const oneLine = (text: string): string => printable(text).replaceAll(/\s+/g, " ").trim();

// Control characters but tab and newline: they have no place in a tag, and could rewrite a terminal.
// oxlint-disable-next-line no-control-regex
const printable = (text: string): string => text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
