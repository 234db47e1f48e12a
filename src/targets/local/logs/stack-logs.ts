import type { Clock } from "../../../core/clock.ts";
import type { StackName } from "../../../core/stack.ts";
import type { LogLine } from "../../workload.ts";
import type { Supervisor } from "../processes/supervisor.ts";
import { sizeOf } from "./log-file.ts";
import { LogCursor, tail } from "./log-reader.ts";

export interface LogRequest {
  /** How many of the newest lines to begin with. */
  readonly lines: number;
  /** Goes on with what is written, in this revision and the next ones, until the signal aborts. */
  readonly follow: boolean;
  /** Only this instance's log. */
  readonly revision?: string;
  readonly signal: AbortSignal;
}

const followPollMs = 100;

/** The logs of a stack's revisions as one stream, oldest first. */
export async function* readLogs(
  { supervisor, clock }: { supervisor: Supervisor; clock: Clock },
  stack: StackName,
  { lines, follow, revision, signal }: LogRequest,
): AsyncIterable<LogLine> {
  const ids = (): readonly string[] =>
    supervisor
      .of(stack)
      .map(({ id }) => id)
      .filter((id) => revision === undefined || id === revision);
  const cursors = new Map<string, LogCursor>();
  let newest: readonly LogLine[] = [];
  for (const id of [...ids()].reverse()) {
    const path = supervisor.logPath(id);
    cursors.set(id, new LogCursor(path, { from: sizeOf(path), clock }));
    if (newest.length < lines) newest = [...tail(path, lines - newest.length), ...newest];
  }
  yield* newest;
  if (!follow) return;
  while (!signal.aborted) {
    for (const id of ids()) {
      const cursor = cursors.get(id) ?? new LogCursor(supervisor.logPath(id), { from: 0, clock });
      cursors.set(id, cursor);
      yield* cursor.read();
    }
    await clock.sleep(followPollMs, signal).catch(() => undefined);
  }
}
