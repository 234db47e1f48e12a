import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Which source trees started runs use, over restarts of the server too. */
export interface TreeUses {
  begin(run: string, tree: string): void;
  end(run: string): void;
  /** Keys of trees. */
  trees(): ReadonlySet<string>;
}

/** `file`: any file of that file system. */
export function makeTreeUses(folder: string, file: string): TreeUses {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Those of a server before this one too.
  const names = new Map(readdirSync(folder).map((name) => [runOf(name), name]));
  const treeOf = (name: string): string => name.split(" ")[1] ?? readFileSync(join(folder, name), "utf8");
  function end(run: string): void {
    const name = names.get(run);
    if (name !== undefined) rmSync(join(folder, name), { force: true });
    names.delete(run);
  }

  return {
    begin(run, tree) {
      const name = `${run} ${tree}`;
      if (names.get(run) === name) return;
      end(run);
      note(join(folder, name), file);
      names.set(run, name);
    },
    end,
    trees: () => new Set(readdirSync(folder).map(treeOf)),
  };
}

const runOf = (name: string): string => name.split(" ")[0] ?? name;

/** What counts is that the name is there. Another name of a file takes a fraction of the time of a new file. */
function note(path: string, file: string): void {
  try {
    linkSync(file, path);
  } catch {
    writeFileSync(path, ""); // Not every file system has links.
  }
}
