import { spawn } from "node:child_process";

const worker = new URL("runs-worker.ts", import.meta.url).pathname;

/** Runs the runs room in a process of its own until nothing is left to do; answers the signal that ended it. */
export function runWorker(...args: readonly string[]): Promise<string | null> {
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
