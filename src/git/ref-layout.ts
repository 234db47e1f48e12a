import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** How the files lie that hold a repository's refs. */
export interface RefLayout {
  /** Another one after any change of a ref. */
  readonly text: string;
  /** Nothing of it had changed for a while: a change that is still to come will show. */
  readonly isSettled: boolean;
}

/** File systems date changes by the kernel's clock tick, which is at most 10 ms long. */
export const settledAfterMs = 50;

/** Git replaces each file of a ref by renaming another one (gitrepository-layout, "refs"), which dates its folder anew. */
export function refLayout(path: string, { files, folders }: { files: string[]; folders: string[] }): RefLayout {
  const nowMs = Date.now();
  let newestMs = 0;
  const lines: string[] = [];
  const add = (name: string): boolean => {
    const found = statSync(join(path, name), { throwIfNoEntry: false, bigint: true });
    if (found) newestMs = Math.max(newestMs, Number(found.mtimeMs));
    lines.push(`${name} ${found?.ino} ${found?.mtimeNs} ${found?.size}`);
    return found?.isDirectory() === true;
  };
  const addFolder = (name: string): void => {
    if (add(name)) foldersIn(join(path, name)).forEach((folder) => addFolder(`${name}/${folder}`));
  };
  files.forEach(add);
  folders.forEach(addFolder);
  return { text: lines.join("\n"), isSettled: nowMs - newestMs >= settledAfterMs };
}

function foldersIn(path: string): readonly string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    // Git removes a folder of refs with its last one, which shows in the folder above.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
