import type { Folder } from "./folder.ts";

/** A first deployment of what was seen in a folder. */
export interface Draft {
  /** What was seen, in the user's words: `a Flask application in app.py`. */
  readonly saw: string;
  /** What the program calls itself; the folder's name when it does not. */
  readonly name?: string;
  readonly kind: "service" | "site";
  /** Fields of the deployment, in the order in which they are written. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** What a person has to look at before the first push. */
  readonly hints: readonly string[];
}

/** Null when the folder holds nothing that the recipe knows. */
export type Recipe = (folder: Folder) => Draft | null;

/** One word of a shell's command line: `my board.py` is two without its quotes. */
export const word = (text: string): string =>
  /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A hint for a program that seems not to listen where it is told to. */
export const portHint = (file: string, how: string): string =>
  `${file} does not seem to read PORT: a program must listen on the port that it is given, ${how}`;
