import { closeSync, existsSync, openSync, readFileSync, readSync, renameSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { createHash } from "node:crypto";
import type { Clock } from "../../../core/clock.ts";
import type { Spawn } from "../../../core/spawn.ts";
import { ageMs, isAlive, signalGroup, type ProcessIdentity } from "./process-table.ts";

/** How a start ended. `stage` names which command it was; null when nobody recorded it (the wrapper was killed). */
export interface Exit {
  readonly stage: "start script" | "command" | null;
  readonly status: number | null;
  readonly signal: string | null;
}

/** A started program and its children: a group of processes led by `pid`. */
export interface StartedProcess {
  readonly pid: number;
  /** How long ago it was started. */
  ageMs(): number;
  /** Resolves with how it ended; rejects when the signal aborts, or when the system could not start it at all. */
  ended(signal: AbortSignal): Promise<Exit>;
  hasEnded(): boolean;
}

export interface LaunchRequest {
  readonly claim: string;
  readonly exit: string;
  readonly log: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly startScript: string | null;
  readonly command: string;
}

/**
 * The parent of every program. It must outlive the server, so it is no process of ours: it claims its start by creating
 * a file that must not exist, writes down who it is, and only then runs anything. The claim is read back because an
 * adopting server may have voided it between the two. On its way out it takes the rest of its group along.
 */
const wrapper = String.raw`#!/bin/sh
# Arguments: claim file, exit file, start script (may be empty), command, its program if it is a plain one.
# Names of its own: what a program finds in its environment is not this script's to change.
_claim=$1 _exit=$2 _startScript=$3 _command=$4 _program=$5
_stopped=
trap '_stopped=1' TERM INT HUP QUIT
if [ -r "/proc/$$/stat" ]; then
  read -r _stat < "/proc/$$/stat"
  set -- ${"$"}{_stat##*) }
  shift 19
  _me="$$ $1"
else
  _me="$$ $(LC_ALL=C ps -o lstart= -p $$)"
fi
set -C
{ printf '%s\n' "$_me" > "$_claim"; } 2>/dev/null || exit 0
set +C
read -r _holder < "$_claim"
[ "$_holder" = "$_me" ] || exit 0
finish() {
  printf '%s %s\n' "$1" "$2" > "$_exit"
  trap '' TERM
  kill -KILL 0
}
# A group's signal reaches this inner shell too: it must wait for the program, which may need its time to stop.
_patience="trap 'exit 143' TERM
"
# What this shell itself would say ("Terminated") does not belong into the program's log.
exec 3>&2 2>/dev/null
if [ -n "$_startScript" ]; then
  sh -c "$_patience$_startScript" 2>&3 3>&-
  _status=$?
  if [ $_status -ne 0 ] || [ -n "$_stopped" ]; then finish start-script $_status; fi
fi
# No other shell for a program that takes its place at once. One that is not found is told of by a shell of its own.
if [ -n "$_program" ] && command -v "$_program" >/dev/null; then
  (eval "$_command") 2>&3 3>&-
else
  sh -c "$_patience$_command" 2>&3 3>&-
fi
finish command $?
`;

/** Writes the wrapper under its own digest: a shell reads its script while it runs, so a changed one is another file. */
export function installWrapper(folder: string): string {
  const digest = createHash("sha256").update(wrapper).digest("hex").slice(0, 12);
  const path = join(folder, `run-${digest}.sh`);
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, wrapper, { mode: 0o700 });
    renameSync(draft, path);
  }
  return path;
}

interface Launcher {
  /** Path of the installed wrapper. */
  readonly wrapper: string;
  readonly spawn: Spawn;
  readonly clock: Clock;
}

/** Starts the wrapper in a session of its own, its output going straight to the log file. Rejects when it cannot be. */
export async function launch({ wrapper, spawn, clock }: Launcher, request: LaunchRequest): Promise<StartedProcess> {
  const output = { appendTo: request.log };
  const startedMs = clock.now().getTime();
  const age = (): number => Math.max(0, clock.now().getTime() - startedMs);
  const child = spawn(
    "/bin/sh",
    [
      wrapper,
      request.claim,
      request.exit,
      request.startScript ?? "",
      inPlaceOfShell(request.command),
      plainProgram(request.command),
    ],
    { cwd: request.cwd, env: request.env, detached: true, stdio: ["ignore", output, output] },
  );
  child.unref();
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (status, signal) => resolve(readExit(request.exit) ?? { stage: null, status, signal }));
  });
  const lost = new Promise<Error>((resolve) => child.once("error", resolve));
  const trouble = await Promise.race([new Promise<null>((resolve) => child.once("spawn", () => resolve(null))), lost]);
  if (trouble) {
    // Whoever was to start it may have done so all the same.
    const found = await settled(request, clock);
    if (found.hasEnded()) throw trouble;
    return found;
  }
  let hasExited = false;
  let found: StartedProcess | null = null;
  const outcome = Promise.race([
    exited.then((exit) => {
      hasExited = true;
      return { pid: 0, ageMs: age, hasEnded: () => true, ended: async () => exit };
    }),
    // Its starter will not tell any more.
    lost.then(async () => (found = await settled(request, clock))),
  ]);
  // Its failure is seen by whoever awaits the end; nobody may be waiting yet.
  outcome.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    ageMs: age,
    ended: async (signal) => (await orAborted(outcome, signal)).ended(signal),
    hasEnded: () => hasExited || (found?.hasEnded() ?? false),
  };
}

/** A start whose course nobody told us. */
async function settled(request: LaunchRequest, clock: Clock): Promise<StartedProcess> {
  const claim = await settleClaim(request, clock);
  if (claim.kind === "running") return watch(claim.process, request.exit, clock);
  const exit = claim.kind === "ended" ? claim.exit : { stage: null, status: null, signal: null };
  return { pid: claim.kind === "ended" ? claim.pid : 0, ageMs: () => 0, hasEnded: () => true, ended: async () => exit };
}

const plainCommand = /^[\w./-]+(?: +[\w./:,=@%+"'$-]+)*$/;
// Utilities of the shell (POSIX, 2.14 and 1.7) and its reserved words: `exec` would look for programs of that name.
const shellWords = new Set(
  (
    "alias bg break case cd command continue do done echo elif else esac eval exec exit export false fc fg fi for " +
    "getopts hash if in jobs kill local printf pwd read readonly return set shift source test then times trap true " +
    "type ulimit umask unalias unset until wait while"
  ).split(" "),
);

/** A plain command takes the place of the shell that would only wait for it: a process less, and signals reach it directly. */
export function inPlaceOfShell(command: string): string {
  const [first = ""] = command.trim().split(" ");
  const isPlain = plainCommand.test(command.trim()) && !shellWords.has(first) && first !== ".";
  return isPlain ? `exec ${command.trim()}` : command;
}

// What a shell knows of itself ($$, $PPID, $0) is another's within another shell; so are the variables of a script.
const ownToShell = /\$(?:[^A-Z]|PPID|$)/;

/** The program of a plain command that means the same in any shell; else nothing. */
function plainProgram(command: string): string {
  const isSame = inPlaceOfShell(command) !== command && !ownToShell.test(command);
  return isSame ? (command.trim().split(" ")[0] ?? "") : "";
}

function readExit(path: string): Exit | null {
  try {
    const [stage, code] = readFileSync(path, "utf8").trim().split(" ");
    const status = Number(code);
    if (!code || Number.isNaN(status)) return null;
    const named = stage === "start-script" ? "start script" : "command";
    // A shell answers 128 + N for a command that signal N ended (POSIX, 2.8.2).
    const signal = status > 128 ? signalName(status - 128) : null;
    return { stage: named, status: signal ? null : status, signal };
  } catch {
    return null;
  }
}

const signalName = (number: number): string | null =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null;

/** What became of a start that another server made. */
export type Claim =
  | { readonly kind: "never started" }
  | { readonly kind: "running"; readonly process: ProcessIdentity }
  | { readonly kind: "ended"; readonly exit: Exit; readonly pid: number };

const voided = "0 void\n";
// From creating the claim to writing into it a wrapper needs microseconds.
const emptyClaimPatienceMs = 1_000;
const emptyClaimPollMs = 20;

/** Finds out about a start, and makes sure that one which has not begun never will. */
export async function settleClaim(paths: { claim: string; exit: string }, clock: Clock): Promise<Claim> {
  if (createVoid(paths.claim)) return { kind: "never started" };
  const deadline = clock.now().getTime() + emptyClaimPatienceMs;
  while (holderOf(paths.claim) === null && clock.now().getTime() < deadline) await clock.sleep(emptyClaimPollMs);
  const holder = holderOf(paths.claim) ?? voidEmpty(paths.claim);
  if (!holder) return { kind: "never started" };
  if (isAlive(holder)) return { kind: "running", process: holder };
  const exit = readExit(paths.exit) ?? { stage: null, status: null, signal: null };
  return { kind: "ended", exit, pid: holder.pid };
}

function createVoid(path: string): boolean {
  try {
    writeFileSync(path, voided, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Null while the file is empty. */
function holderOf(path: string): ProcessIdentity | null {
  return parseHolder(readFileSync(path, "utf8"));
}

function parseHolder(text: string): ProcessIdentity | null {
  if (!text.endsWith("\n")) return null;
  const [pid = "", ...startedAt] = text.trim().split(/\s+/);
  return { pid: Number(pid), startedAt: startedAt.join(" ") };
}

/** Replaces a claim that stayed empty. A wrapper that wrote into the replaced file at that moment is killed: it may have read it back in time. */
function voidEmpty(path: string): null {
  const replaced = openSync(path, "r");
  try {
    const draft = `${path}.void`;
    writeFileSync(draft, voided, { mode: 0o600 });
    renameSync(draft, path);
    const bytes = Buffer.alloc(256);
    const late = parseHolder(bytes.subarray(0, readSync(replaced, bytes, 0, bytes.length, 0)).toString());
    if (late && isAlive(late)) signalGroup(late.pid, "SIGKILL");
    return null;
  } finally {
    closeSync(replaced);
  }
}

const adoptedPollMs = 200;

/** Watches a process that another server started: there is no event for its end, only looking. */
export function watch(identity: ProcessIdentity, exitPath: string, clock: Clock): StartedProcess {
  const foundMs = clock.now().getTime();
  return {
    pid: identity.pid,
    // Where the system does not say: since it was found.
    ageMs: () => ageMs(identity) ?? Math.max(0, clock.now().getTime() - foundMs),
    hasEnded: () => !isAlive(identity),
    ended: async (signal) => {
      while (isAlive(identity)) await clock.sleep(adoptedPollMs, signal);
      return readExit(exitPath) ?? { stage: null, status: null, signal: null };
    },
  };
}

export async function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
