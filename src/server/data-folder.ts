import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf, WaybillError } from "../core/errors.ts";
import { startTimeOf } from "../targets/local/processes/process-table.ts";

/** Where a server keeps everything, and that only one server at a time uses it. */
export interface DataFolder {
  readonly path: string;
  /** 32 bytes: encrypts secrets and state. Kept here, never in the database. */
  readonly key: Buffer;
  readonly postgres: string;
  readonly repositories: string;
  readonly workloads: string;
  readonly gateway: string;
  readonly hooks: string;
  release(): void;
}

const keyBytes = 32;

/** Opens or makes the folder. Throws SETTINGS_INVALID while another server holds it. */
export function openDataFolder(folder: string): DataFolder {
  const path = resolve(folder);
  try {
    // 0711: PostgreSQL, which refuses to run as root, must reach its own folder within.
    mkdirSync(path, { recursive: true, mode: 0o711 });
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `--data ${path} cannot be made: ${messageOf(cause)}`, { cause });
  }
  const release = claim(join(path, "server.lock"), path);
  const within = (name: string): string => join(path, name);
  return {
    path,
    key: readKey(within("key")),
    postgres: within("postgres"),
    repositories: privateFolder(within("repositories")),
    workloads: privateFolder(within("workloads")),
    gateway: privateFolder(within("gateway")),
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
    const [pid = "", since = ""] = readFileSync(file, "utf8").split(" ");
    if (startTimeOf(Number(pid)) === since) {
      throw new WaybillError(
        "SETTINGS_INVALID",
        `another server (process ${pid}) uses ${folder}: stop it, or choose another folder with --data`,
      );
    }
    rmSync(file, { force: true });
  }
  throw new WaybillError("SETTINGS_INVALID", `${folder} was taken by another server just now`);
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
