import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StackName } from "../../../core/stack.ts";
import { pulumiProject, pulumiStack } from "../../state.ts";

/**
 * A CLI that is killed while it stores a state in a folder may leave an empty `.attrs` beside it, and no CLI reads that
 * state any more: "EOF". Without the file all is well, so it is removed. Answers whether there was one.
 */
export function removeEmptyAttributes(backendUrl: string, stack: StackName): boolean {
  if (!backendUrl.startsWith("file:///")) return false;
  const folder = fileURLToPath(new URL(backendUrl.split("?", 1)[0] ?? backendUrl));
  const state = join(folder, ".pulumi/stacks", pulumiProject(stack), `${pulumiStack(stack)}.json`);
  const empty = [`${state}.attrs`, `${state}.bak.attrs`].filter(isEmptyFile);
  for (const file of empty) rmSync(file, { force: true });
  return empty.length > 0;
}

const isEmptyFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.size === 0;
