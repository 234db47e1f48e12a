import type { LogLine } from "./workload.ts";

/** Which lines of a log are wanted; `lines` of a request then counts these only. */
export interface LogFilter {
  /** Lines that hold this text, letter for letter. */
  readonly text?: string;
  /** Lines said at this time or later. */
  readonly since?: Date;
}

/** Whether a line is wanted. */
export function wanted({ text = "", since }: LogFilter): (line: LogLine) => boolean {
  const sinceMs = since?.getTime() ?? -Infinity;
  return (line) => line.text.includes(text) && Date.parse(line.at) >= sinceMs;
}
