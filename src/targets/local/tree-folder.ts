import { chmod, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

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

/** Removes a folder with what it holds, read-only or not; nothing there is fine. */
export async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if (!isRefused(error)) throw error;
    await makeRemovable(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

const isRefused = (error: unknown): boolean =>
  ["EACCES", "EPERM", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "");

/** Only a folder's own rights decide whether what it holds may be removed. */
async function makeRemovable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(folder, entry.name));
  }
}
