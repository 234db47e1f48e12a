import { chmodSync, lstatSync, readdirSync, type Stats } from "node:fs";
import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as othersTurn } from "node:timers/promises";

const quickStepsInTurn = 256;

/** Takes every right to write from a tree; links are left as they are. */
export async function makeReadOnly(path: string): Promise<void> {
  let steps = 0;
  for (const found of entriesOf(path)) {
    steps += 1;
    // A tree may hold a hundred thousand files: others have a turn now and then.
    if (steps % quickStepsInTurn === 0) await othersTurn();
    // oxlint-disable-next-line no-bitwise
    if (!found.status.isSymbolicLink()) chmodSync(found.path, found.status.mode & 0o555);
  }
}

/** What a folder holds comes before itself. */
function* entriesOf(path: string): Generator<{ readonly path: string; readonly status: Stats }> {
  const status = lstatSync(path);
  if (status.isDirectory()) for (const name of readdirSync(path)) yield* entriesOf(join(path, name));
  yield { path, status };
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
