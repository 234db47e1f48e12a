import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

type Worker = "runs-worker" | "chains-worker" | "ahead-worker" | "cluster-runs-worker" | "local-server";

/** Runs a worker of this folder in a process of its own until nothing is left to do; answers the signal that ended it. */
export async function runWorker(name: Worker, ...args: readonly string[]): Promise<string | null> {
  const { status, signal } = await startWorker(name, ...args).ended;
  if (status === 0 || signal === "SIGKILL") return signal;
  throw new Error(`the worker ended with ${status ?? signal}`);
}

/** The same, while it runs. */
export function startWorker(name: Worker, ...args: readonly string[]) {
  const worker = new URL(`${name}.ts`, import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "./scripts/tsx.mjs", worker, ...args], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise<{ readonly status: number | null; readonly signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
  return { child, ended };
}

/** Of the process with this id: one that was stopped still holds all that it has. */
export function stateOf(pid: string | number | undefined): "running" | "stopped" | "gone" {
  try {
    const [, state = "Z"] = /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return state === "T" ? "stopped" : state === "Z" ? "gone" : "running";
  } catch {
    return "gone";
  }
}
