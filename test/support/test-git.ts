import { join } from "node:path";
import { repositoryName } from "../../src/core/names.ts";
import { silentLog } from "../../src/core/log.ts";
import { makeGit, type Git } from "../../src/git/git.ts";
import type { Repository } from "../../src/git/repository.ts";
import { temporaryFolder, workingCopy, type WorkingCopy } from "./repository.ts";

export interface TestGit {
  readonly git: Git;
  /** Where everything is; gone at the end. */
  readonly folder: string;
  /** A repository hosted by `git`, and a person's clone that is pushed into it by path. */
  readonly hosted: Repository;
  readonly clone: WorkingCopy;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server's Git with one hosted repository `demo`. */
export async function testGit(): Promise<TestGit> {
  const folder = await temporaryFolder();
  const git = makeGit({ folder: join(folder.path, "repositories"), log: silentLog, allowFileUrls: true });
  const hosted = await git.createHosted(repositoryName("demo"), "main");
  const clone = await workingCopy(join(folder.path, "clone"));
  await clone.git("remote", "add", "origin", hosted.path);
  return {
    git,
    folder: folder.path,
    hosted,
    clone,
    async [Symbol.asyncDispose]() {
      await git.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
