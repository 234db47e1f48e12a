import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { parameterEnvironment } from "../../../runs/parameters/environment.ts";
import { runParameters, secretParameters } from "../../../runs/parameters/values.ts";
import type { ParameterValues } from "../../../runs/run.ts";
import type { RunState } from "../../../runs/state.ts";
import { defaultContext } from "../../../spec/context.ts";
import { formatProblem } from "../../../spec/problem.ts";
import { withParameters } from "../../../spec/parameters/command.ts";
import { parameterVariable } from "../../../spec/parameters/variable.ts";
import { checkRepository } from "../../../spec/repository.ts";
import { resolve as resolveSpec } from "../../../spec/resolve.ts";
import type { ResolvedJob } from "../../../spec/resolved.ts";
import { answer, type CommandContext } from "../../command.ts";
import { defaultEnvironment } from "../../repository-choice.ts";
import { readParameters, type ParameterOptions } from "./parameters.ts";
import { runShell, type ShellEnd } from "./shell.ts";

export interface ExecuteOptions extends ParameterOptions {
  readonly job?: string;
  readonly environment?: string;
  /** False with --no-build. */
  readonly build?: boolean;
}

/**
 * Runs a job of a file in this folder: the working tree as it is, built in place, its secrets from this shell's variables,
 * for as long as its timeout says. Answers 0 when its command did.
 */
export async function execute(context: CommandContext, file: string, options: ExecuteOptions): Promise<number> {
  const { terminal } = context;
  const path = resolve(terminal.cwd, file);
  const job = await readJob(path, options);
  const values = runParameters(job, { schedule: null, values: await readParameters(terminal, options) });
  const folder = await mkdtemp(join(tmpdir(), "waybill-execute-"));
  try {
    const result = join(folder, "result.json");
    const env = { ...environmentOf(job, values, terminal.env), WAYBILL_RESULT: result, WAYBILL_OUTPUT: folder };
    const root = basename(dirname(path)) === "deployments" ? dirname(dirname(path)) : terminal.cwd;
    const cwd = folderOf(job, root);
    if (options.build !== false) await build(context, job, cwd);
    const end = await runCommand(context, { job, values, env, cwd });
    if (end.isTimedOut) terminal.err(`it took longer than its timeout of ${job.timeoutSeconds} s, and was ended`);
    const left: unknown = await readFile(result, "utf8").then(JSON.parse, () => null);
    const told = { state: stateOf(end), exitStatus: end.exitStatus, result: left };
    answer(context, told, left === null ? [] : [JSON.stringify(left)]);
    return told.state === "Completed" ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readJob(path: string, { job: wanted, environment = defaultEnvironment }: ExecuteOptions) {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new WaybillError("REQUEST_INVALID", `${path} cannot be read: ${messageOf(cause)}`, { cause });
  });
  const { deployments, problems } = checkRepository([{ path: `deployments/${basename(path)}`, bytes }], defaultContext);
  if (problems.length > 0) throw new WaybillError("SPEC_INVALID", problems.map(formatProblem).join("\n"));
  const jobs = deployments.filter(({ kind, name }) => kind === "job" && (wanted === undefined || name === wanted));
  const [first, second] = jobs;
  if (!first) throw new WaybillError("NOT_FOUND", `${path} has no job${wanted === undefined ? "" : ` ${wanted}`}`);
  if (second)
    throw new WaybillError("USAGE", `${path} has several jobs: give --job ${jobs.map(({ name }) => name).join(" | ")}`);
  const spec = resolveSpec(first, environment, defaultContext);
  if (spec.kind === "job" && spec.command !== null) return { ...spec, command: spec.command };
  throw new WaybillError("REQUEST_INVALID", `${path}: ${spec.name} has no command of its own that could be run here`);
}

function folderOf(job: ResolvedJob, root: string): string {
  return resolve(root, job.source.from === "repository" ? job.source.path : ".", job.workingDir);
}

function environmentOf(job: ResolvedJob, values: ParameterValues, shell: Readonly<Record<string, string | undefined>>) {
  const references = secretParameters(job, values);
  const wanted = [
    ...job.secrets.flatMap((secret) => ("env" in secret ? [secret.env] : [])),
    ...[...references.keys()].map(parameterVariable),
  ];
  const missing = wanted.filter((name) => shell[name] === undefined);
  if (missing.length > 0) {
    throw new WaybillError(
      "SECRET_MISSING",
      `${missing.join(", ")}: secrets are taken from variables here: set them first`,
    );
  }
  const own = Object.fromEntries(["PATH", "HOME", ...wanted].map((name) => [name, shell[name] ?? ""]));
  return {
    LANG: "C.UTF-8",
    PYTHONUNBUFFERED: "1",
    ...own,
    ...job.env,
    ...parameterEnvironment(values, new Set(references.keys())),
  };
}

/** Where the server would do it in a tree of its own. */
async function build(context: CommandContext, job: ResolvedJob, cwd: string): Promise<void> {
  if (job.build === null) return;
  const { env: shell, err, signal } = context.terminal;
  const env = { PATH: shell["PATH"] ?? "", HOME: shell["HOME"] ?? "", LANG: "C.UTF-8", CI: "true", ...job.env };
  const request = { text: job.build, cwd, env, out: err, err, timeoutMs: null, graceMs: graceMsOf(job), signal };
  const { exitStatus } = await runShell(request);
  if (exitStatus === 0) return;
  throw new WaybillError("BUILD_FAILED", `the build \`${job.build}\` failed with status ${exitStatus}`);
}

const graceMsOf = ({ stopTimeoutSeconds }: ResolvedJob): number => stopTimeoutSeconds * 1_000;

function stateOf({ isTimedOut, isKilled, exitStatus }: ShellEnd): RunState {
  if (isTimedOut) return "TimedOut";
  if (isKilled) return "Crashed";
  return exitStatus === 0 ? "Completed" : "Failed";
}

interface Execution {
  readonly job: ResolvedJob & { readonly command: string };
  readonly values: ParameterValues;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** What it says goes on as it comes. */
function runCommand({ terminal, json }: CommandContext, { job, values, env, cwd }: Execution): Promise<ShellEnd> {
  const command = withParameters(job.command, new Set(Object.keys(values)));
  return runShell({
    text: job.startScript === null ? command : `${job.startScript}\n${command}`,
    cwd,
    env,
    out: json ? terminal.err : terminal.out,
    err: terminal.err,
    timeoutMs: job.timeoutSeconds === null ? null : job.timeoutSeconds * 1_000,
    graceMs: graceMsOf(job),
    signal: terminal.signal,
  });
}
