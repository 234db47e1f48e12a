import { isName } from "../../core/names.ts";
import type { Reading } from "./reading.ts";

/** A deployment as it would be written: its fields in the order of the file. */
export interface Draft {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A name that Waybill takes, as near to the given one as can be. */
export function nameFrom(text: string): string {
  const name = text
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, "");
  return isName(name) ? name : "unnamed";
}

/** The names in use so far; makes a new one of a name that is taken. */
export function makeNames() {
  const taken = new Set<string>();
  return (wanted: string, reading: Reading, key: string): string => {
    const base = nameFrom(wanted);
    let name = base;
    for (let number = 2; taken.has(name); number += 1) name = `${base.slice(0, 36)}-${number}`;
    taken.add(name);
    if (name !== wanted) reading.note(`called ${name}: names hold a-z, 0-9 and -, and each is there once`, key);
    return name;
  };
}

/** Leaves out what is not set. */
export function compact(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

const variable = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Variables whose names and values a program can be given; notes the others. */
export function variablesOf(reading: Reading | undefined): Readonly<Record<string, string>> | undefined {
  if (!reading) return undefined;
  const found: Record<string, string> = {};
  for (const key of reading.keys()) {
    const value = reading.text(key);
    if (value === undefined) continue;
    if (variable.test(key)) found[key] = value;
    else reading.note("not carried over: this is no variable's name", key);
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

const digest = /@sha256:[0-9a-f]{64}$/;

/** An image as the source, where it is named so that it cannot become another; else a note. */
export function imageSource(image: string | undefined, reading: Reading, key: string) {
  if (image === undefined) return undefined;
  if (digest.test(image)) return { image };
  reading.note(
    `not carried over: ${image} can move; write source.image with its digest, or let the program run from this repository`,
    key,
  );
  return undefined;
}
