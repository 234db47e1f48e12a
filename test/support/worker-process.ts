import { spawn } from "node:child_process";

type Worker = "runs-worker" | "chains-worker" | "ahead-worker" | "cluster-runs-worker" | "local-server";

/** Runs a worker of this folder in a process of its own until nothing is left to do; answers the signal that ended it. */
export function runWorker(name: Worker, ...args: readonly string[]): Promise<string | null> {
  const worker = new URL(`${name}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "./scripts/tsx.mjs", worker, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => {
      if (status === 0 || signal === "SIGKILL") resolve(signal);
      else reject(new Error(`the worker ended with ${status ?? signal}`));
    });
  });
}
