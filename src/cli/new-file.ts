import { execFile } from "node:child_process";
import { mkdir, realpath, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The root of the Git repository that a folder is in; null outside of one. */
export async function repositoryRoot(folder: string): Promise<string | null> {
  const { stdout } = await run("git", ["rev-parse", "--show-toplevel"], { cwd: folder }).catch(() => ({ stdout: "" }));
  const root = stdout.trimEnd();
  return root === "" ? null : realpath(root);
}

/** False when there is such a file already, which is left as it is. */
export async function writeNew(file: string, text: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(file, text, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}
