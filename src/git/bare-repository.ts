import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { requireGit, runGit } from "./command.ts";
import type { GitSettings } from "./environment.ts";

export interface NewRepository {
  readonly defaultBranch: string;
  /** Where it is hosted; null: here. */
  readonly url: string | null;
}

/** Made aside and renamed: a repository is there whole or not at all. */
export async function createBare(path: string, { defaultBranch, url }: NewRepository): Promise<void> {
  const partial = `${path}.new-${process.pid}-${Date.now()}`;
  await mkdir(dirname(path), { recursive: true });
  try {
    const cwd = dirname(path);
    const init = ["init", "--quiet", "--bare", "--template=", "--", partial];
    // Snapshot tags are written as files (git-init(1), --ref-format).
    await requireGit(`creating ${path}`, init, { cwd, env: { GIT_DEFAULT_REF_FORMAT: "files" } });
    await setHead(partial, defaultBranch);
    if (url !== null) await requireGit(`creating ${path}`, ["config", "remote.origin.url", url], { cwd: partial });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

export async function setHead(path: string, branch: string): Promise<void> {
  await requireGit(`${path}: setting HEAD`, ["symbolic-ref", "HEAD", `refs/heads/${branch}`], {
    cwd: path,
    env: { GIT_DIR: path },
  });
}

/** Where a repository is hosted; null: here. */
export async function readUrl(path: string): Promise<string | null> {
  const call = { cwd: path, env: { GIT_DIR: path } };
  const { exitCode, stdout } = await runGit(["config", "--get", "remote.origin.url"], call);
  return exitCode === 0 ? stdout.toString("utf8").trim() : null;
}

// As many loose objects as Git itself lets gather (git-gc(1), gc.auto). What no ref holds any more is kept for a
// quarter: a snapshot that was deleted by mistake can be tagged again.
const housekeeping: GitSettings = [
  ["gc.auto", "6700"],
  ["gc.autoDetach", "false"],
  ["gc.pruneExpire", "90.days.ago"],
];

/** Packs a repository's objects when many lie about singly; readers and pushes go on meanwhile. */
export async function tidy(path: string, signal: AbortSignal): Promise<void> {
  const call = { cwd: path, env: { GIT_DIR: path }, settings: housekeeping, signal };
  await requireGit(`${path}: tidying up`, ["gc", "--auto", "--quiet"], call);
}
