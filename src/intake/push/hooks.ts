import { accessSync, constants } from "node:fs";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WaybillError } from "../../core/errors.ts";

/** The hooks that every push to this server runs, whatever the repository holds. */
export const hookNames = ["pre-receive", "post-receive"] as const;
export type HookName = (typeof hookNames)[number];

/** The descriptor on which a hook finds the server: Git hands it through from the process that the server started. */
export const channelDescriptor = 3;

// What the server needs to see objects that are not accepted yet (git-receive-pack(1), "quarantine environment").
export const quarantineVariables = [
  "GIT_QUARANTINE_PATH",
  "GIT_OBJECT_DIRECTORY",
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
] as const;

/**
 * A hook in plain sh: starting Node twice would cost each push 80 ms. It says what Git told it, then shows the lines
 * that the server answers, and ends as told. When the server dies, the descriptor ends and the hook says so.
 */
export function hookScript(hook: HookName, ifServerStops: string): string {
  const variables = quarantineVariables.map((name) => `  printf 'env ${name}=%s\\n' "$${name}"`).join("\n");
  return `#!/bin/sh
trap '' PIPE
stopped() {
  echo 'waybill: the server stopped while it worked on this push. ${ifServerStops}'
  exit 1
}
{
  echo 'hook ${hook}'
${variables}
  while read -r before after ref; do printf 'ref %s %s %s\\n' "$before" "$after" "$ref"; done
  echo end
} 2>/dev/null >&${channelDescriptor} || stopped
while IFS= read -r line <&${channelDescriptor}; do
  case $line in
    '>'*) printf '%s\\n' "\${line#>}" ;;
    'exit 0') exit 0 ;;
    'exit 1') exit 1 ;;
  esac
done
stopped
`;
}

const ifServerStops: Record<HookName, string> = {
  "pre-receive": "Nothing was changed. Push again.",
  "post-receive": "The push is stored; the server goes on with it when it starts again.",
};

/** Writes the hooks; each replaces its predecessor at once, since a push may be starting one. */
export async function installHooks(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const hook of hookNames) {
    const path = join(folder, hook);
    await writeFile(`${path}.new`, hookScript(hook, ifServerStops[hook]));
    await chmod(`${path}.new`, 0o755);
    await rename(`${path}.new`, path);
  }
}

/** Called before each push: Git takes a push without asking anybody when it finds no hook that it can run. */
export async function requireHooks(folder: string): Promise<void> {
  if (areExecutable(folder)) return;
  await installHooks(folder);
  if (areExecutable(folder)) return;
  throw new WaybillError("GIT_FAILED", `${folder} cannot hold programs: is it on a file system mounted noexec?`);
}

function areExecutable(folder: string): boolean {
  try {
    for (const hook of hookNames) accessSync(join(folder, hook), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
