import { execFile } from "node:child_process";
import { chmod, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Takes every right to write from a tree; links are left as they are. */
export async function makeReadOnly(path: string): Promise<void> {
  const status = await lstat(path);
  if (status.isSymbolicLink()) return;
  if (status.isDirectory()) {
    // One folder at a time: a tree may hold a hundred thousand files.
    for (const name of await readdir(path)) await makeReadOnly(join(path, name));
  }
  // oxlint-disable-next-line no-bitwise
  await chmod(path, status.mode & 0o555);
}

const removal = '[ ! -e "$1" ] || { chmod -R u+w -- "$1" && rm -rf -- "$1"; }';

/** Removes a folder with what it holds, read-only or not; nothing there is fine. */
export async function removeFolder(folder: string): Promise<void> {
  await run("sh", ["-c", removal, "sh", folder], { env: { PATH: "/usr/local/bin:/usr/bin:/bin", LC_ALL: "C" } });
}
