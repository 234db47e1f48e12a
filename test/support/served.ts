import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { runCommandLine } from "../../src/cli/program.ts";
import { stopGateways } from "../../src/gateway/launch.ts";
import { ask, type Asked } from "./ask.ts";
import { endLeftOvers } from "./left-overs.ts";
import { workingCopy, type CommandResult, type WorkingCopy } from "./repository.ts";
import { freePort, newToken, startServerProcess, type ServerProcess } from "./server-process.ts";

export { until } from "./until.ts";

/** The whole product on a folder and a port of its own, with what its users have: Git, the command line, a browser. */
export interface Served {
  readonly port: number;
  readonly token: string;
  readonly url: string;
  readonly folder: string;
  readonly data: string;
  readonly server: () => ServerProcess;
  /** Starts it (again). Without `stopWorkloads`, programs outlive it. */
  start(options?: { stopWorkloads?: boolean; env?: Record<string, string> }): Promise<void>;
  stop(): Promise<void>;
  clone(name: string, options?: { token?: string; folder?: string }): Promise<Clone>;
  cli(args: readonly string[], setting?: CliSetting): Promise<Said>;
  /** A command that must succeed, with `--json`; answers its document. */
  json(args: readonly string[], setting?: CliSetting): Promise<unknown>;
  api(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: unknown }>;
  /** Asks a deployment by its host's label. */
  get(label: string, path?: string, headers?: Record<string, string>): Promise<Asked>;
  /** Stops everything that runs and removes every file. */
  close(): Promise<void>;
}

export interface Clone extends WorkingCopy {
  /** Writes, commits and pushes `main`; any exit status is an answer. */
  push(files: Readonly<Record<string, string>>, ...args: string[]): Promise<CommandResult>;
}

export interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

interface CliSetting {
  readonly cwd?: string;
  readonly input?: string;
  readonly token?: string;
}

interface ServedOptions {
  readonly env?: Record<string, string>;
  /** The text of its settings file, which may depend on its port. */
  readonly config?: (port: number) => string;
}

export async function startServed(options: ServedOptions = {}): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-served-"));
  // Programs that run as other users must reach what lies below.
  await chmod(folder, 0o711);
  const [port, token] = [await freePort(), newToken()];
  const data = join(folder, "data");
  const url = `http://localhost:${port}`;
  const config = options.config && { config: join(folder, "server.yaml") };
  if (config) await writeFile(config.config, options.config?.(port) ?? "");
  let server: ServerProcess | null = null;

  const running = (): ServerProcess => {
    assert.ok(server, "the server is not started");
    return server;
  };
  const served: Served = {
    port,
    token,
    url,
    folder,
    data,
    server: running,
    async start({ stopWorkloads = false, env = {} } = {}) {
      server = await startServerProcess({
        data,
        port,
        token,
        stopWorkloads,
        env: { ...options.env, ...env },
        ...config,
      });
    },
    async stop() {
      const stopping = server;
      server = null;
      await stopping?.stop();
    },
    clone: (name, { token: own = token, folder: place = name } = {}) =>
      cloneOf(join(folder, place), `${url}/git/${name}.git`, own),
    cli: (args, setting) => runCli(args, { url, token, cwd: folder, ...setting }),
    async json(args, setting) {
      const { status, out, err } = await served.cli([...args, "--json"], setting);
      assert.equal(status, 0, `waybill ${args.join(" ")}: ${err}`);
      return JSON.parse(out) as unknown;
    },
    async api(method, path, body, own = token) {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${own}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: (text === "" ? undefined : JSON.parse(text)) as unknown };
    },
    get: (label, path = "/", headers = {}) => ask({ port, host: `${label}.localhost:${port}`, path, headers }),
    async close() {
      await served.stop();
      // After a kill its database is still there: only a last start ends it in order.
      if (existsSync(join(data, "postgres/data/postmaster.pid"))) {
        await served.start({ stopWorkloads: true });
        await served.stop();
      }
      await stopGateways(data);
      await endLeftOvers(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return served;
}

/** A product that is running, and somebody's clone of `repository`, in which nothing was pushed yet. */
export async function startWithClone(
  repository: string,
  { stopWorkloads = true } = {},
): Promise<{ readonly served: Served; readonly clone: Clone }> {
  const served = await startServed();
  await served.start({ stopWorkloads });
  return { served, clone: await served.clone(repository) };
}

/** Somebody's clone of a repository in which nothing was pushed yet. */
export async function cloneOf(path: string, remote: string, token: string): Promise<Clone> {
  const work = await workingCopy(path);
  await work.git("remote", "add", "origin", remote);
  await work.git("config", "http.extraHeader", `Authorization: Bearer ${token}`);
  return {
    ...work,
    async push(files, ...args) {
      await work.write(files);
      await work.commit("change");
      return work.tryGit("push", "origin", ...(args.length > 0 ? args : ["main"]));
    },
  };
}

interface Cli extends CliSetting {
  readonly url: string;
  readonly token: string;
  readonly cwd: string;
}

export async function runCli(args: readonly string[], { url, token, cwd, input = "" }: Cli): Promise<Said> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runCommandLine(args, {
    env: { WAYBILL_URL: url, WAYBILL_TOKEN: token, XDG_CONFIG_HOME: join(cwd, "no-config") },
    cwd,
    stdin: Readable.from(input === "" ? [] : [input]),
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    isColoured: false,
    columns: 120,
    signal: AbortSignal.timeout(60_000),
  });
  return { status, out: out.join("\n"), err: err.join("\n") };
}

/** Programs whose working folder lies below `folder`: process ids and command lines. */
export async function programsBelow(folder: string): Promise<readonly { pid: number; command: string }[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [cwd, command] = await Promise.all([
        readlink(`/proc/${pid}/cwd`).catch(() => ""),
        readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
      ]);
      return cwd.startsWith(`${folder}/`) ? [{ pid: Number(pid), command: command.replaceAll("\0", " ").trim() }] : [];
    }),
  );
  return found.flat();
}

/** A web program that answers its process id, what it was given, and `text`. */
export const webProgram = (text: string): string => `const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
createServer((request, response) => {
  const url = new URL(request.url, "http://x");
  if (url.pathname === "/pid") return response.end(String(process.pid));
  if (url.pathname === "/headers") return response.end(JSON.stringify(request.headers));
  if (url.pathname === "/env") return response.end(process.env[url.searchParams.get("name")] ?? "(unset)");
  if (url.pathname === "/file") return response.end(readFileSync(url.searchParams.get("name"), "utf8"));
  response.end(${JSON.stringify(text)});
}).listen(process.env.PORT);
console.log("listening");
`;

/** A service's file; `more` is added as it is. */
export const service = (source: string, more = ""): string =>
  `apiVersion: waybill/v1\nkind: service\nsource: {path: ${source}}\ncommand: node main.js\naccess: {visibility: public}\n${more}`;

export const site = (source: string, more = ""): string =>
  `apiVersion: waybill/v1\nkind: site\nsource: {path: ${source}}\naccess: {visibility: public}\n${more}`;
