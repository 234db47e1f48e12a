import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { WaybillError } from "../../core/errors.ts";

// Git holds such a lock for milliseconds. One that is older was left by a kill.
const staleLockMs = 10_000;

/**
 * Creates a ref in a bare repository whose refs are files, under the lock that Git takes for it too; false when it is
 * there already, or somebody is making it.
 */
export function createRef(path: string, ref: string, id: string): boolean {
  const file = join(path, ref);
  const lock = `${file}.lock`;
  // The other format that Git knows would not see what is written here.
  if (existsSync(join(path, "reftable"))) {
    throw new WaybillError(
      "GIT_FAILED",
      `${path} keeps its refs as reftable; wanted are files: git refs migrate --ref-format=files`,
    );
  }
  if (!takeLock(lock, id)) return false;
  if (existsSync(file) || isPacked(path, ref)) {
    rmSync(lock);
    return false;
  }
  renameSync(lock, file);
  return true;
}

function takeLock(lock: string, id: string, tries = 3): boolean {
  if (isStale(lock)) rmSync(lock, { force: true });
  try {
    mkdirSync(dirname(lock), { recursive: true });
    writeFileSync(lock, `${id}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    // Git has removed the folder in between, because it was empty.
    if (code === "ENOENT" && tries > 1) return takeLock(lock, id, tries - 1);
    throw error;
  }
}

function isStale(lock: string): boolean {
  const modifiedAtMs = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  return modifiedAtMs !== undefined && Date.now() - modifiedAtMs > staleLockMs;
}

/** Reads `ID SP REF` lines (git-pack-refs(1)). */
function isPacked(path: string, ref: string): boolean {
  const file = join(path, "packed-refs");
  return existsSync(file) && readFileSync(file, "latin1").includes(` ${ref}\n`);
}
