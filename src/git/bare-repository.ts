import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { requireGit, runGit } from "./command.ts";

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
    await requireGit(`creating ${path}`, ["init", "--quiet", "--bare", "--template=", "--", partial], { cwd });
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
