import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../../src/core/package-root.ts";
import { givePostgres } from "./postgres-server.ts";

export interface ServerProcess {
  readonly port: number;
  readonly token: string;
  readonly child: ChildProcess;
  /** The end of its log. */
  log(): string;
  /** Ends it as a service manager does, and answers its exit status. */
  stop(): Promise<number | null>;
}

interface ServerProcessOptions {
  readonly data: string;
  readonly port: number;
  readonly token: string;
  readonly stopWorkloads?: boolean;
  /** A settings file. */
  readonly config?: string;
  /** Modules that Node loads first. */
  readonly preload?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export const newToken = (): string => randomBytes(24).toString("hex");

// Below those that the system hands out for outgoing connections, and those of programs: between two starts of a server
// nobody else takes its own.
const firstPort = 10_000;
const portCount = 10_000;

export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + randomInt(portCount);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** `waybill serve` as users start it, in a process of its own; answers when it says `ready`. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const { data, port, token, stopWorkloads = true, config, preload = [], env = {} } = options;
  const environment = { ...process.env, WAYBILL_BOOTSTRAP_TOKEN: token, WAYBILL_LOG_LEVEL: "warn", ...env };
  if (!("DATABASE_URL" in environment)) givePostgres(data);
  const imports = [join(packageRoot, "scripts/tsx.mjs"), ...preload].flatMap((file) => ["--import", file]);
  const flags = [
    "serve",
    "--data",
    data,
    "--port",
    String(port),
    ...(stopWorkloads ? ["--stop-workloads"] : []),
    ...(config === undefined ? [] : ["--config", config]),
  ];
  const child = spawn(process.execPath, [...imports, join(packageRoot, "src/main.ts"), ...flags], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.push(text));
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const isReady = await Promise.race([untilReady(lines), exited.then(() => false)]);
  const log = (): string => said.join("").slice(-2000);
  if (!isReady) {
    const [status] = (await exited) as [number | null];
    throw new Error(`the server ended with status ${status} before it was ready: ${log()}`);
  }
  return {
    port,
    token,
    child,
    log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

async function untilReady(lines: AsyncIterable<string>): Promise<boolean> {
  for await (const line of lines) if (line.startsWith("ready ")) return true;
  return false;
}
