import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Points to the folder of a complete tree, and says who uses it. */
export interface Pointer {
  readonly folder: string;
  readonly usedAt: string;
  /** Ids of the resources that use it. */
  readonly users: readonly string[];
  /** Keys of the stacks that have used it. */
  readonly stacks: readonly string[];
}

/** By the tree's key. A tree is complete once something points to it. */
export interface Pointers {
  read(key: string): Pointer | null;
  /** Whole or not at all. */
  write(key: string, pointer: Pointer): void;
  remove(key: string): void;
  keys(): readonly string[];
  /** What lies in the folder of complete trees, by name: the trees' own folders, and what points to them. */
  entries(): ReadonlySet<string>;
}

const suffix = ".json";

/** A file beside the trees for each. */
export function makePointers(folder: string): Pointers {
  const pathOf = (key: string): string => join(folder, key + suffix);
  const read = (key: string): Pointer | null => {
    if (!/^[0-9a-f]+$/.test(key)) return null;
    try {
      return JSON.parse(readFileSync(pathOf(key), "utf8")) as Pointer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  };
  const keys = (): readonly string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length));
  return {
    read,
    write(key, pointer) {
      const path = pathOf(key);
      writeFileSync(`${path}.new`, JSON.stringify(pointer), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    },
    remove: (key) => rmSync(pathOf(key), { force: true }),
    keys,
    entries: () => new Set(keys().flatMap((key) => [key + suffix, read(key)?.folder ?? ""])),
  };
}
