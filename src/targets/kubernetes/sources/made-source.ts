import { createHash } from "node:crypto";
import type { TreeSha } from "../../../core/names.ts";
import type { StackName } from "../../../core/stack.ts";
import type { Runtime } from "../runtimes.ts";
import type { PodResources } from "../sizes.ts";

/** A source that is more than a tree as Git has it: with files written over it, or built. Plain data. */
export interface MadeSource {
  readonly stack: StackName;
  /** The target's name. */
  readonly target: string;
  readonly namespace: string;
  readonly tree: TreeSha;
  readonly workingDir: string;
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: string }>>;
  /** Another one has it looked at again, and made again where it is lost. */
  readonly restart: string | null;
  /** Null: only files are written over the tree. */
  readonly build: BuildStep | null;
}

export interface BuildStep {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly image: string;
  readonly runtime: Runtime;
  readonly requests: PodResources["requests"];
  readonly limits: PodResources["limits"];
}

// No tree's id has this many digits: a key says by itself whether Git can make it again.
const keyDigits = 48;

/** Equal sources, equal keys: what goes into the files, and not who asks or how much room the build gets. */
export function keyOf({ tree, workingDir, files, build }: MadeSource): string {
  const { command, env, image } = build ?? {};
  const written = inOrder(files).map(([path, { content, mode }]) => [path, content, mode]);
  const parts = [tree, workingDir, written, command ?? null, inOrder(env ?? {}), image ?? null];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, keyDigits);
}

/** What went through a program comes back with its keys in another order. */
const inOrder = <Value>(map: Readonly<Record<string, Value>>): readonly (readonly [string, Value])[] =>
  Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));

/** The key of what the build begins with, where that is not the tree itself. */
export const baseOf = (source: MadeSource): string =>
  Object.keys(source.files).length === 0 ? source.tree : keyOf({ ...source, build: null });
