import { simpleGit, type SimpleGit } from "simple-git";
import { messageOf, WaybillError } from "../core/errors.ts";
import { spawnHere, type Spawn } from "../core/spawn.ts";
import { isolation, type GitSettings } from "./environment.ts";

/** What a Git process said before it ended. */
export interface GitResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface GitCall {
  readonly cwd: string;
  /** On top of the isolated environment; never instead of it. */
  readonly env?: Readonly<Record<string, string>>;
  readonly settings?: GitSettings;
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Who starts it; by default this process. */
  readonly spawn?: Spawn;
}

// Standard error is only for messages: more than this is noise or an attack on memory.
const maxErrorBytes = 16_384;

/** Runs a local Git command to its end; any exit status is an answer, only a process that cannot start is an error. */
export function runGit(args: readonly string[], call: GitCall): Promise<GitResult> {
  return new Promise((resolve, reject) => {
    const child = (call.spawn ?? spawnHere)("git", args, {
      cwd: call.cwd,
      env: { ...isolation(call.settings), ...call.env },
      stdio: [call.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      ...(call.signal && { signal: call.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let errorBytes = 0;
    child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      if (errorBytes < maxErrorBytes) stderr.push(chunk);
      errorBytes += chunk.length;
    });
    // A process that ends before it has read its input: its exit status tells why.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(call.input);
    child.once("error", (cause) => reject(call.signal?.aborted ? call.signal.reason : cannotRun(cause)));
    child.once("close", (code) =>
      resolve({
        exitCode: code ?? 128,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString("utf8").trim(),
      }),
    );
  });
}

/** The same for commands that must succeed: a status other than 0 is GIT_FAILED with `operation` and Git's own words. */
export async function requireGit(operation: string, args: readonly string[], call: GitCall): Promise<Buffer> {
  const { exitCode, stdout, stderr } = await runGit(args, call);
  if (exitCode === 0) return stdout;
  throw new WaybillError("GIT_FAILED", `${operation}: git ended with status ${exitCode}: ${stderr || "no message"}`);
}

// The first that takes settings from GIT_CONFIG_COUNT: an older one would run without what isolates it.
const oldest = { major: 2, minor: 31 };

/** Throws GIT_TOO_OLD or GIT_FAILED unless this machine's Git is one that Waybill's settings reach. */
export async function requireSupportedGit(): Promise<void> {
  const version = (await requireGit("git --version", ["--version"], { cwd: "/" })).toString("utf8").trim();
  const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(version) ?? [];
  if (isOlder(Number(major), Number(minor))) {
    const wanted = `Git ${oldest.major}.${oldest.minor} or newer is needed`;
    throw new WaybillError("GIT_TOO_OLD", `${wanted}, but this machine has "${version}". Install a newer one.`);
  }
}

export const isOlder = (major: number, minor: number): boolean =>
  major < oldest.major || (major === oldest.major && minor < oldest.minor);

export function cannotRun(cause: unknown): WaybillError {
  return new WaybillError("GIT_FAILED", `git cannot be run: ${messageOf(cause)}. Is Git installed and on PATH?`, {
    cause,
  });
}

/**
 * simple-git for what talks to other machines, where its guard against options and settings that run programs is worth
 * its price. The guard also refuses what isolates Git from this machine's settings, so exactly that is permitted here.
 */
export function guardedGit({ cwd, env = {}, settings, signal }: GitCall): SimpleGit {
  const environment = { ...isolation(settings), ...env };
  return simpleGit({
    baseDir: cwd,
    allowEnvironment: Object.keys(environment),
    unsafe: {
      allowUnsafeAskPass: true,
      allowUnsafeConfigEnvCount: true,
      allowUnsafeConfigPaths: true,
      allowUnsafeHooksPath: true,
      allowUnsafeProtocolOverride: true,
      allowUnsafeSshCommand: true,
    },
    ...(signal && { abort: signal }),
  }).env(environment);
}
