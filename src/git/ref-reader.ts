import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Spawn } from "../core/spawn.ts";
import { readRefs, type RefView } from "./refs.ts";

export interface RefReaderOptions {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: Spawn;
}

/** How the files lay that hold a repository's refs, before they were read. */
interface Layout {
  readonly text: string;
  /** Nothing of it had changed for a while: a change that is still to come will show. */
  readonly isSettled: boolean;
}

// File systems date changes by the kernel's clock tick, which is at most 10 ms long.
const settledAfterMs = 50;

/**
 * Reads refs without a process where nothing has changed since the last time. Git replaces each file of a ref by
 * renaming another one (gitrepository-layout, "refs"), which dates its folder anew.
 */
export function makeRefReader({ path, env, spawn }: RefReaderOptions): () => Promise<RefView> {
  let last: { layout: Layout; view: RefView } | null = null;
  return async () => {
    const asOf = performance.now();
    const layout = layoutOf(path);
    if (last?.layout.isSettled === true && last.layout.text === layout.text) return { ...last.view, asOf };
    const view = await readRefs(path, env, spawn);
    last = { layout, view };
    return view;
  };
}

function layoutOf(path: string): Layout {
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
  add("HEAD");
  add("packed-refs");
  addFolder("refs/heads");
  addFolder("refs/tags/waybill");
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
