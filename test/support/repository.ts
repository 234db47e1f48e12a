import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder that is gone at the end of the scope. */
export async function temporaryFolder(): Promise<{ readonly path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "waybill-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

// The tests' own Git knows nothing of whoever runs them.
const environment = {
  PATH: process.env["PATH"],
  LC_ALL: "C.UTF-8",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Ann Author",
  GIT_AUTHOR_EMAIL: "ann@example.org",
  GIT_COMMITTER_NAME: "Ann Author",
  GIT_COMMITTER_EMAIL: "ann@example.org",
};

/** Runs a person's Git; any exit status is an answer. */
export function runCommand(
  args: readonly string[],
  { cwd, input, env }: { cwd: string; input?: string | Buffer; env?: Record<string, string> },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = execFile(
      "git",
      [...args],
      { cwd, env: { ...environment, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) =>
        resolve({ exitCode: typeof error?.code === "number" ? error.code : error ? 1 : 0, stdout, stderr }),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
  });
}

export interface WorkingCopy {
  readonly path: string;
  /** Git that must succeed; answers its output without the last newline. */
  git(...args: string[]): Promise<string>;
  tryGit(...args: string[]): Promise<CommandResult>;
  write(files: Readonly<Record<string, string | Buffer>>): Promise<void>;
  link(path: string, target: string): Promise<void>;
  makeExecutable(path: string): Promise<void>;
  /** Adds everything and commits it; answers the commit's id. */
  commit(message: string): Promise<string>;
  /** Writes an object that Git's own commands would not make. */
  hashObject(type: string, content: string | Buffer): Promise<string>;
}

/** A person's clone: an empty repository on branch `main`. */
export async function workingCopy(path: string): Promise<WorkingCopy> {
  await mkdir(path, { recursive: true });
  const tryGit = (...args: string[]): Promise<CommandResult> => runCommand(args, { cwd: path });
  async function git(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await tryGit(...args);
    if (exitCode !== 0) throw new Error(`git ${args.join(" ")} ended with status ${exitCode}: ${stderr}`);
    return stdout.trimEnd();
  }
  await git("init", "--quiet", "--initial-branch=main");
  return {
    path,
    git,
    tryGit,
    async write(files) {
      for (const [file, content] of Object.entries(files)) {
        await mkdir(dirname(join(path, file)), { recursive: true });
        await writeFile(join(path, file), content);
      }
    },
    async link(file, target) {
      await mkdir(dirname(join(path, file)), { recursive: true });
      await symlink(target, join(path, file));
    },
    makeExecutable: (file) => chmod(join(path, file), 0o755),
    async commit(message) {
      await git("add", "--all", "--force");
      await git("commit", "--quiet", "--allow-empty", "--message", message);
      return git("rev-parse", "HEAD");
    },
    async hashObject(type, content) {
      const args = ["hash-object", "-w", "--literally", "--stdin", "-t", type];
      const { stdout } = await runCommand(args, { cwd: path, input: content });
      return stdout.trim();
    },
  };
}
