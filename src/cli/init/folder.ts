import { readdirSync, readFileSync, statSync, type Stats } from "node:fs";
import { join } from "node:path";

/** What `init` looks at: names and small texts of one folder and the folders in it. */
export interface Folder {
  readonly path: string;
  /** Whether it is a file. */
  has(path: string): boolean;
  /** Null for what is no file, or too large to be a program's own text. */
  read(path: string): string | null;
  /** Files that end so, nearest first: `app.py`, then `app/main.py`. */
  endingWith(ending: string): readonly string[];
}

const maxTextBytes = 256 * 1024;
const maxFiles = 500;
// What a tool put there says nothing about the program.
const foreign = /^(?:\.|node_modules$|venv$|env$|dist$|build$|__pycache__$|tests?$)/;

export function openFolder(path: string): Folder {
  const fileAt = (name: string): Stats | null => {
    const found = statSync(join(path, name), { throwIfNoEntry: false });
    return found?.isFile() ? found : null;
  };
  return {
    path,
    has: (name) => fileAt(name) !== null,
    read(name) {
      const size = fileAt(name)?.size;
      if (size === undefined || size > maxTextBytes) return null;
      // Some editors mark a text's encoding at its start: no part of the text, and no JSON.
      return readFileSync(join(path, name), "utf8").replace(/^\uFEFF/, "");
    },
    endingWith: (ending) => filesOf(path).filter((name) => name.endsWith(ending)),
  };
}

function filesOf(path: string): readonly string[] {
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !foreign.test(name));
  const own = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  const below = entries
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(join(path, name), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => `${name}/${entry.name}`),
    );
  return [...own.sort(), ...below.sort()].slice(0, maxFiles);
}
