import { GitError } from "simple-git";
import { isSha } from "../../core/names.ts";
import type { Secret } from "../../core/secret.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { guardedGit } from "../command.ts";
import { remote, type Remote, type RemoteOptions } from "./address.ts";

/** What a repository hosted elsewhere says it has: branches and snapshot tags by full ref name. */
export interface Listing {
  /** The default branch's name; null when it does not say. */
  readonly head: string | null;
  readonly refs: ReadonlyMap<string, string>;
}

const listTimeoutMs = 30_000;
const transferTimeoutMs = 10 * 60_000;

/** Asks what the remote has; stores nothing. */
export async function listRemote(from: Remote, cwd: string, signal: AbortSignal): Promise<Listing> {
  const output = await talk(
    from,
    ["ls-remote", "--symref", "--", from.url, "HEAD", "refs/heads/*", "refs/tags/waybill/*"],
    {
      cwd,
      signal: AbortSignal.any([signal, AbortSignal.timeout(listTimeoutMs)]),
    },
  );
  return parseListing(output);
}

/** The branches and snapshot tags at `url` by full ref name. Throws REMOTE_* errors; never prompts. */
export async function lsRemote(
  url: string,
  credentials: Secret | null,
  signal: AbortSignal,
  options: RemoteOptions = {},
): Promise<ReadonlyMap<string, string>> {
  return (await listRemote(remote(url, credentials, options), "/", signal)).refs;
}

export function parseListing(output: string): Listing {
  let head: string | null = null;
  const refs = new Map<string, string>();
  for (const line of output.split("\n")) {
    const [left = "", right = ""] = line.split("\t");
    if (right === "HEAD" && left.startsWith("ref: refs/heads/")) head = left.slice("ref: refs/heads/".length);
    // `^{}` lines are what annotated tags point to: the tag itself is what must not move.
    if (isSha(left) && right.startsWith("refs/") && !right.endsWith("^{}")) refs.set(right, left);
  }
  return { head, refs };
}

export interface Transfer {
  readonly cwd: string;
  readonly signal: AbortSignal;
}

/** Fetches by refspecs, overwriting what they name here and nothing else. */
export async function fetchRefs(from: Remote, refspecs: readonly string[], transfer: Transfer): Promise<void> {
  const flags = [
    "--no-tags",
    "--no-prune",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
  ];
  await talk(from, ["fetch", ...flags, "--", from.url, ...refspecs], bounded(transfer));
}

/** Pushes refs to the same names without force: what is there already under another id is REMOTE_REFUSED. */
export async function pushRefs(to: Remote, refs: readonly string[], transfer: Transfer): Promise<void> {
  await talk(to, ["push", "--porcelain", "--", to.url, ...refs.map((ref) => `${ref}:${ref}`)], bounded(transfer));
}

const bounded = ({ cwd, signal }: Transfer): Transfer => ({
  cwd,
  signal: AbortSignal.any([signal, AbortSignal.timeout(transferTimeoutMs)]),
});

async function talk({ url, settings }: Remote, args: readonly string[], { cwd, signal }: Transfer): Promise<string> {
  try {
    return await guardedGit({ cwd, settings, signal }).raw([...args]);
  } catch (cause) {
    if (signal.aborted) {
      throw new WaybillError("REMOTE_UNREACHABLE", `${url}: no answer in time, or stopped`, { cause });
    }
    const said = cause instanceof GitError ? cause.message.trim() : messageOf(cause);
    throw new WaybillError(isRefusal(said) ? "REMOTE_REFUSED" : "REMOTE_UNREACHABLE", `${url}: ${said}`, { cause });
  }
}

// Git's own words (2.30 to 2.52, C locale): it has no exit status for "you may not" beside "I cannot".
const refusals = [
  /^fatal: Authentication failed for/m,
  /^fatal: could not read (?:Username|Password) for/m,
  /The requested URL returned error: 40[134]/,
  /^fatal: repository '.*' not found/m,
  /Permission denied \(publickey/,
  /^!\t.*\[(?:remote )?rejected\]/m,
];

export const isRefusal = (output: string): boolean => refusals.some((refusal) => refusal.test(output));
