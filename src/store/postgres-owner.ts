import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { messageOf, WaybillError } from "../core/errors.ts";

/** The user that PostgreSQL runs as where Waybill runs as root. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
  /** A folder above the files lets others not through, and the owner needs a right of root's to pass it. */
  readonly isShutOut: boolean;
}

type Ids = Pick<Owner, "uid" | "gid">;

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly ids: Ids | null;
}

/** PostgreSQL refuses to run as root: then it runs as the user `postgres`, made when missing. Null for anybody else. */
export async function unprivilegedOwner(paths: readonly string[]): Promise<Owner | null> {
  if (userInfo().uid !== 0) return null;
  const ids = postgresUser() ?? (await makePostgresUser());
  return ids && { ...ids, isShutOut: paths.some(isClosedToOthers) };
}

async function makePostgresUser(): Promise<Ids | null> {
  const args = ["--system", "--user-group", "--shell", "/usr/sbin/nologin", "postgres"];
  await promisify(execFile)("useradd", args).catch((cause: unknown) => {
    throw new WaybillError(
      "DATABASE_UNAVAILABLE",
      `PostgreSQL does not run as root, and the user postgres cannot be made (${messageOf(cause)}): make it, run Waybill as another user, or set DATABASE_URL`,
      { cause },
    );
  });
  return postgresUser();
}

function postgresUser(): Ids | null {
  const row = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith("postgres:"));
  const [, , uid, gid] = row?.split(":") ?? [];
  return row === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

/**
 * How a program is run as the owner. One that is shut out, below root's home for one, keeps the right to pass any folder
 * (CAP_DAC_OVERRIDE); without no_setuid_fixup access(2) would not heed it (capabilities(7)).
 */
export function asOwner(command: string, args: readonly string[], owner: Owner | null): CommandLine {
  if (owner === null) return { command, args, ids: null };
  const { uid, gid, isShutOut } = owner;
  if (!isShutOut) return { command, args, ids: { uid, gid } };
  const become = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--securebits=+no_setuid_fixup"];
  const pass = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
  return { command: "setpriv", args: [...become, ...pass, command, ...args], ids: null };
}

/** Whether a folder above lets none but its owner and group through. */
export function isClosedToOthers(path: string): boolean {
  const parent = dirname(path);
  if (parent === path) return false;
  // oxlint-disable-next-line no-bitwise
  return (existsSync(parent) && (statSync(parent).mode & 0o001) === 0) || isClosedToOthers(parent);
}
