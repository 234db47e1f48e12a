import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
const env = { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" };

// Done by the system's own tools: a tree may hold a hundred thousand files, and this process serves others meanwhile.

/** Takes every right to write from a tree; links are left as they are (chmod(1), -R). */
export async function makeReadOnly(folder: string): Promise<void> {
  await run("chmod", ["-R", "a-w", "--", folder], { env });
}

/** Removes a folder with what it holds, read-only or not; nothing there is fine. */
export async function removeFolder(folder: string): Promise<void> {
  await run("sh", ["-c", '[ ! -e "$1" ] || { chmod -R u+w -- "$1" && rm -rf -- "$1"; }', "sh", folder], { env });
}
