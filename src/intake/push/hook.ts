import { accessSync, constants } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WaybillError } from "../../core/errors.ts";

// Runs in every push to this server, whatever the repository holds.
const hookName = "pre-receive";

/** The descriptor on which the hook finds the server: Git hands it through from the process that the server started. */
const channelDescriptor = 3;

// What the server needs to see objects that are not accepted yet (git-receive-pack(1), "quarantine environment").
export const quarantineVariables = [
  "GIT_QUARANTINE_PATH",
  "GIT_OBJECT_DIRECTORY",
  "GIT_ALTERNATE_OBJECT_DIRECTORIES",
] as const;

/**
 * A hook in plain sh: starting Node would cost each push 40 ms. It says what Git told it, then shows the lines that the
 * server answers, and ends as told. When the server dies, the descriptor ends and the hook says so.
 */
const hookScript = `#!/bin/sh
trap '' PIPE
stopped() {
  echo 'waybill: the server stopped while it worked on this push. Nothing was changed. Push again.'
  exit 1
}
{
${quarantineVariables.map((name) => `  printf 'env ${name}=%s\\n' "$${name}"`).join("\n")}
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

/** Writes the hook; it replaces its predecessor at once, since a push may be starting it. */
export async function installHook(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, hookName);
  await writeFile(`${path}.new`, hookScript);
  await chmod(`${path}.new`, 0o755);
  await rename(`${path}.new`, path);
  // An earlier version's, which would wait for an answer that nobody gives.
  await rm(join(folder, "post-receive"), { force: true });
}

/** Called before each push: Git takes a push without asking anybody when it finds no hook that it can run. */
export async function requireHook(folder: string): Promise<void> {
  if (isExecutable(folder)) return;
  await installHook(folder);
  if (isExecutable(folder)) return;
  throw new WaybillError("GIT_FAILED", `${folder} cannot hold programs: is it on a file system mounted noexec?`);
}

function isExecutable(folder: string): boolean {
  try {
    accessSync(join(folder, hookName), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
