import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
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
  remove(): void;
}

const pathOf = (root: string, stack: StackName): string => join(root, pulumiProject(stack), pulumiStack(stack));
const projectFileOf = (path: string): string => join(path, "Pulumi.yaml");

export const holdsStack = (root: string, stack: StackName): boolean => existsSync(projectFileOf(pathOf(root, stack)));

export function heldStacks(root: string): readonly StackName[] {
  const foldersIn = (path: string): readonly string[] => (existsSync(path) ? readdirSync(path) : []);
  return foldersIn(root).flatMap((repository) =>
    foldersIn(join(root, repository)).flatMap((name) => {
      const [environment = "", deployment = ""] = name.split("--");
      const stack = { repository, environment, deployment };
      return holdsStack(root, stack) ? [stack] : [];
    }),
  );
}

export function openStackFolder(root: string, stack: StackName): StackFolder {
  const project = pulumiProject(stack);
  const path = pathOf(root, stack);
  const projectFile = projectFileOf(path);
  if (!existsSync(projectFile)) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // JSON is YAML. The runtime is what the CLI asks to be told; the program is served by this process.
    writeFileSync(projectFile, `${JSON.stringify({ name: project, runtime: "nodejs" })}\n`);
  }
  return {
    path,
    bookFile: join(path, "under-way.jsonl"),
    configFile: join(path, "config.sealed"),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
