import type { RunEnd } from "../../run-executor.ts";
import { lastLines } from "../logs/log-file.ts";
import { lastLinesText } from "../processes/diagnosis.ts";
import type { Exit } from "../processes/launch.ts";

const tailLines = 20;

type Words = Pick<RunEnd, "crash" | "reason">;

interface Ended {
  readonly exit: Exit;
  readonly durationMs: number;
  readonly wasMemory: boolean;
  /** Who or what ended it, where that is known better than by its signal. */
  readonly cause?: string | null;
  readonly log: string;
  readonly logStart: number;
}

/** How a start ended, in the user's words; with the end of its log when it did not go well. */
export function describeEnd({ exit, durationMs, wasMemory, cause = null, log, logStart }: Ended): Words {
  const { stage, status, signal } = exit;
  if (cause === null && stage === "command" && status === 0) return { crash: null, reason: "" };
  const after = `after ${Number((durationMs / 1_000).toFixed(durationMs < 10_000 ? 1 : 0))} s`;
  const tail = tailOf(log, logStart);
  const crash = cause ?? crashOf(exit, wasMemory);
  if (cause !== null) return { crash, reason: `${cause} (${after})${tail}` };
  if (crash !== null) return { crash, reason: `${crash} ${after}${tail}` };
  if (stage === "start script") return { crash: null, reason: `the start script failed with status ${status}${tail}` };
  if (status === 126) return { crash: null, reason: "the command cannot be run (status 126): is the file executable?" };
  if (status === 127) return { crash: null, reason: `the command was not found (status 127)${tail}` };
  return { crash: null, reason: `exited with status ${status ?? signal} ${after}${tail}` };
}

function crashOf({ stage, status, signal }: Exit, wasMemory: boolean): string | null {
  if (signal === "SIGKILL" && wasMemory) return "killed for memory: this machine ran out of it";
  if (signal !== null) return `killed by ${signal}`;
  if (stage === null && status === null) return "its program is gone, and nobody saw how it ended";
  return null;
}

const tailOf = (log: string, from: number): string => lastLinesText(lastLines(log, { from, count: tailLines }));
