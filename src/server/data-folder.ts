import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf, WaybillError } from "../core/errors.ts";
import { startTimeOf } from "../targets/local/processes/process-table.ts";
import type { Replica } from "./replicas/replica.ts";

/** Where a server keeps everything, and that only one server at a time uses it, or several that know of each other. */
export interface DataFolder {
  readonly path: string;
  /** What is this server's alone: `path` itself, or a folder within of the replica's name. */
  readonly own: string;
  /** 32 bytes: encrypts secrets and state. Kept here, never in the database. */
  readonly key: Buffer;
  readonly postgres: string;
  readonly repositories: string;
  readonly workloads: string;
  readonly hooks: string;
  release(): void;
}

const keyBytes = 32;

/** Opens or makes the folder. Throws SETTINGS_INVALID while another server holds it, or another replica of that name. */
export function openDataFolder(folder: string, replica: Replica | null): DataFolder {
  const path = resolve(folder);
  try {
    // 0711: PostgreSQL, which refuses to run as root, must reach its own folder within.
    mkdirSync(path, { recursive: true, mode: 0o711 });
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `--data ${path} cannot be made: ${messageOf(cause)}`, { cause });
  }
  const within = (name: string): string => join(path, name);
  const own = replica === null ? path : privateFolder(within(`replicas/${replica.name}`));
  for (const other of othersOf(path, replica)) requireFree(join(other, lockName), path);
  const release = claim(join(own, lockName), own);
  return {
    path,
    own,
    key: readKey(within("key")),
    postgres: within("postgres"),
    repositories: privateFolder(within("repositories")),
    workloads: privateFolder(within("workloads")),
    hooks: privateFolder(within("hooks")),
    release,
  };
}

function privateFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function readKey(file: string): Buffer {
  try {
    // wx: two servers that start at once on a new folder must not make two keys.
    writeFileSync(file, randomBytes(keyBytes), { mode: 0o600, flag: "wx", flush: true });
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  }
  const key = readFileSync(file);
  if (key.length === keyBytes) return key;
  throw new WaybillError("SETTINGS_INVALID", `${file} is not an encryption key of ${keyBytes} bytes: restore it`);
}

const lockName = "server.lock";

/** Replicas share the folder with each other, and not with a server that knows nothing of them. */
function othersOf(path: string, replica: Replica | null): readonly string[] {
  if (replica !== null) return [path];
  const replicas = join(path, "replicas");
  return existsSync(replicas) ? readdirSync(replicas).map((name) => join(replicas, name)) : [];
}

function requireFree(file: string, folder: string): void {
  if (!existsSync(file)) return;
  const pid = liveHolder(file);
  if (pid !== null) throw inUse(folder, pid);
}

/** The process that holds the lock; null when it is gone. */
function liveHolder(file: string): string | null {
  const [pid = "", since = ""] = readFileSync(file, "utf8").split(" ");
  return startTimeOf(Number(pid)) === since ? pid : null;
}

const inUse = (folder: string, pid: string): WaybillError =>
  new WaybillError(
    "SETTINGS_INVALID",
    `another server (process ${pid}) uses ${folder}: stop it, or choose another folder with --data`,
  );

/** A file that names the holder; one whose process is gone is taken over. */
function claim(file: string, folder: string): () => void {
  const mine = `${process.pid} ${startTimeOf(process.pid)}`;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(file, mine, { mode: 0o600, flag: "wx" });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if (!isCode(error, "EEXIST")) throw error;
    }
    const pid = liveHolder(file);
    if (pid !== null) throw inUse(folder, pid);
    rmSync(file, { force: true });
  }
  throw new WaybillError("SETTINGS_INVALID", `${folder} was taken by another server just now`);
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
