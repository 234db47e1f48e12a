import type { Spawn } from "../core/spawn.ts";
import { refLayout, type RefLayout } from "./ref-layout.ts";
import { readRefs, type RefView } from "./refs.ts";

export interface RefReaderOptions {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: Spawn;
}

const read = { files: ["HEAD", "packed-refs"], folders: ["refs/heads", "refs/tags/waybill"] };

/** Reads refs without a process where nothing has changed since the last time. */
export function makeRefReader({ path, env, spawn }: RefReaderOptions): () => Promise<RefView> {
  let last: { layout: RefLayout; view: RefView } | null = null;
  return async () => {
    const asOf = performance.now();
    const layout = refLayout(path, read);
    if (last?.layout.isSettled === true && last.layout.text === layout.text) return { ...last.view, asOf };
    const view = await readRefs(path, env, spawn);
    last = { layout, view };
    return view;
  };
}
