import { spawn, type ChildProcess } from "node:child_process";
import { openSync, closeSync, readFileSync } from "node:fs";
import type { Server as NetServer } from "node:net";
import { WaybillError } from "../../core/errors.ts";
import { gatewayLogFile, settingsVariable } from "./state-file.ts";

/** What a new gateway says to the process that starts it … */
export type FromGateway =
  | { readonly kind: "loaded" }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "port-taken"; readonly port: number };
/** … and what it is told: to bind the port, or to take the socket that comes along. */
export type ToGateway = { readonly kind: "bind" } | { readonly kind: "take" };

export interface NewGateway {
  readonly execPath: string;
  readonly entry: string;
  readonly settingsFile: string;
  readonly dataFolder: string;
  /** The listening socket to go on with; null to bind a new one. */
  readonly listener: NetServer | null;
}

const startTimeoutMs = 30_000;

/** Starts a gateway that outlives this process; resolves with its process id once it takes requests. */
export function spawnGateway({ execPath, entry, settingsFile, dataFolder, listener }: NewGateway): Promise<number> {
  const logFile = gatewayLogFile(dataFolder);
  const output = openSync(logFile, "a", 0o600);
  const child = spawn(execPath, [entry], {
    detached: true,
    cwd: dataFolder,
    env: environmentFor(settingsFile),
    stdio: ["ignore", output, output, "ipc"],
  });
  closeSync(output);
  return new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => fail(`not ready after ${startTimeoutMs / 1000} s`), startTimeoutMs);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`it ended with ${signal ?? `status ${code}`}`));
    child.on("message", (message: FromGateway) => {
      if (message.kind === "loaded") tell(child, listener);
      if (message.kind === "failed") fail(message.message);
      if (message.kind === "port-taken") refuse(message.port);
      if (message.kind === "ready" && child.pid !== undefined) {
        leaveAlone();
        resolve(child.pid);
      }
    });

    function leaveAlone(): void {
      clearTimeout(timer);
      for (const event of ["exit", "error", "message"]) child.removeAllListeners(event);
      child.on("error", () => undefined);
      if (child.connected) child.disconnect();
      child.unref();
    }

    function refuse(port: number): void {
      leaveAlone();
      const text = `port ${port} is in use by another program: stop that, or choose another port with --port`;
      reject(new WaybillError("SETTINGS_INVALID", text));
    }

    function fail(what: string): void {
      leaveAlone();
      child.kill("SIGKILL");
      const detail = `${what}. Its log, ${logFile}, ends with:\n${tailOf(logFile)}`;
      reject(new WaybillError("GATEWAY_UNAVAILABLE", `the gateway did not start: ${detail}`));
    }
  });
}

function tell(child: ChildProcess, listener: NetServer | null): void {
  const message: ToGateway = { kind: listener === null ? "bind" : "take" };
  if (listener === null) child.send(message);
  else child.send(message, listener);
}

/** Nothing of this process's environment but what a Node program, a PostgreSQL client and a pod need: no token, no secret. */
function environmentFor(settingsFile: string): NodeJS.ProcessEnv {
  const wanted =
    /^(?:PATH|HOME|TZ|LANG|LC_.*|TMPDIR|SystemRoot|PGSSL.*|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|SSL_CERT_(?:FILE|DIR)|KUBERNETES_SERVICE_(?:HOST|PORT))$/;
  const kept = Object.entries(process.env).filter(([name]) => wanted.test(name));
  return { ...Object.fromEntries(kept), [settingsVariable]: settingsFile };
}

function tailOf(file: string): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-5).join("\n");
}
