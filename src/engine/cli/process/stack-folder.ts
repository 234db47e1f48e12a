import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StackName } from "../../../core/stack.ts";
import { pulumiProject, pulumiStack } from "../../state.ts";

/** A work folder of its own for each stack: operations side by side in one folder write over each other's settings. */
export interface StackFolder {
  readonly path: string;
  /** Exists while an operation is under way, and after one that broke off. */
  readonly bookFile: string;
  /** Says which configuration the CLI was given last. */
  readonly configFile: string;
}

export function openStackFolder(root: string, stack: StackName): StackFolder {
  const project = pulumiProject(stack);
  const path = join(root, project, pulumiStack(stack));
  const projectFile = join(path, "Pulumi.yaml");
  if (!existsSync(projectFile)) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // JSON is YAML. The runtime is what the CLI asks to be told; the program is served by this process.
    writeFileSync(projectFile, `${JSON.stringify({ name: project, runtime: "nodejs" })}\n`);
  }
  return { path, bookFile: join(path, "under-way.jsonl"), configFile: join(path, "config.digest") };
}
