import { keepableText } from "../../../core/text.ts";
import type { Exit } from "./launch.ts";

/** Why an instance does not answer, as facts. */
export type Trouble =
  | { readonly kind: "exited"; readonly exit: Exit; readonly uptimeMs: number; readonly wasMemory: boolean }
  | { readonly kind: "silent"; readonly port: number; readonly waitedMs: number; readonly others: OtherPorts }
  | { readonly kind: "no answer"; readonly port: number; readonly path: string; readonly waitedMs: number }
  | { readonly kind: "unhealthy"; readonly path: string; readonly status: number; readonly body: string }
  | { readonly kind: "not startable"; readonly message: string };

/** Where the program listens; null where the system does not tell. */
type OtherPorts = readonly number[] | null;

const atOnceMs = 2_000;

/** The reason in the user's words; `tail` is the end of the log, shown where it helps. */
export function describeTrouble(trouble: Trouble, kind: "service" | "worker", tail: readonly string[] = []): string {
  switch (trouble.kind) {
    case "exited":
      return describeExit(trouble, kind) + lastLinesText(tail);
    case "silent":
      return describeSilence(trouble) + lastLinesText(tail);
    case "no answer":
      return `port ${trouble.port} accepts connections, but ${trouble.path} was not answered within ${seconds(trouble.waitedMs)}${lastLinesText(tail)}`;
    case "unhealthy":
      return `the health check ${trouble.path} answers ${trouble.status}${quoted(trouble.body)}${lastLinesText(tail)}`;
    case "not startable":
      return trouble.message;
    default:
      return trouble satisfies never;
  }
}

function describeExit({ exit, uptimeMs, wasMemory }: Trouble & { kind: "exited" }, kind: string): string {
  const { stage, status, signal } = exit;
  const when = uptimeMs < atOnceMs ? "at once" : `after ${seconds(uptimeMs)}`;
  if (stage === "start script") {
    return signal ? `the start script was killed by ${signal}` : `the start script failed with status ${status}`;
  }
  if (status === 0) return `exited ${when} with status 0: a ${kind} must keep running. Is this a job?`;
  if (status === 126) return "the command cannot be run (status 126): is the file executable?";
  if (status === 127) return "the command was not found (status 127)";
  if (status !== null) return `crashed ${when} with status ${status}`;
  if (signal === "SIGKILL" && wasMemory) return `killed for memory ${when}: this machine ran out of it`;
  if (signal !== null) return `killed by ${signal} ${when}`;
  return `ended ${when} while the server was away`;
}

function describeSilence({ port, waitedMs, others }: Trouble & { kind: "silent" }): string {
  const nothing = `nothing listens on port ${port} after ${seconds(waitedMs)}`;
  const instead = (others ?? []).filter((other) => other !== port);
  if (instead.length === 0) return `${nothing}: the program must listen on the port in $PORT`;
  return `the program listens on port ${instead.join(", ")} instead of port ${port}: it must listen on the port in $PORT`;
}

const seconds = (ms: number): string => `${Number((ms / 1_000).toFixed(ms < 10_000 ? 1 : 0))} s`;

const quoted = (body: string): string => (body.trim() === "" ? "" : `: ${JSON.stringify(body.trim())}`);

/** The end of a log as it stands below a reason; empty without lines. A program may have printed anything. */
export function lastLinesText(tail: readonly string[]): string {
  if (tail.length === 0) return "";
  const lines = tail.map((line) => `  ${keepableText(line)}`).join("\n");
  return `\nlast ${tail.length === 1 ? "line" : `${tail.length} lines`}:\n${lines}`;
}
