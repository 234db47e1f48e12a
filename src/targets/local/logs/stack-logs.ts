import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import { wanted } from "../../log-filter.ts";
import type { LogRequest } from "../../target.ts";
import type { LogLine } from "../../workload.ts";
import type { InstanceRecord } from "../processes/instance.ts";
import type { Supervisor } from "../processes/supervisor.ts";
import type { Trees } from "../trees.ts";
import { sizeOf } from "./log-file.ts";
import { LogCursor, tail } from "./log-reader.ts";

export interface StackLogRequest extends LogRequest {
  /** Only this instance's log. */
  readonly revision?: string;
}

const followPollMs = 100;
// Of the build of a revision that comes while somebody follows.
const buildLines = 1_000;

interface LogSources {
  readonly supervisor: Pick<Supervisor, "of" | "logPath">;
  readonly trees: Pick<Trees, "buildLog" | "newestOf">;
  readonly clock: Clock;
}

/** The logs of a stack's revisions as one stream, oldest first: what the build of their source said, then what they did. */
export async function* readLogs(
  { supervisor, trees, clock }: LogSources,
  stack: StackName,
  { lines, follow, revision, signal, ...more }: StackLogRequest,
): AsyncIterable<LogLine> {
  refuseForPods(more);
  const isWanted = wanted(more);
  const instances = (): readonly InstanceRecord[] =>
    supervisor.of(stack).filter(({ id }) => revision === undefined || id === revision);
  const buildOf = (key: string, count = buildLines): readonly LogLine[] => {
    const path = trees.buildLog(key);
    return path === null ? [] : tail(path, count, isWanted).map((line) => ({ ...line, stream: "build" }));
  };
  const cursors = new Map<string, LogCursor>();
  const known = instances();
  let newest: readonly LogLine[] = [];
  for (const [index, { id, spec }] of [...known.entries()].reverse()) {
    const path = supervisor.logPath(id);
    cursors.set(id, new LogCursor(path, { from: sizeOf(path), clock }));
    if (newest.length < lines) newest = [...tail(path, lines - newest.length, isWanted), ...newest];
    // Revisions that share a tree share its build, which came before the first of them.
    const isFirst = known[index - 1]?.spec.source !== spec.source;
    if (isFirst && newest.length < lines) newest = [...buildOf(spec.source, lines - newest.length), ...newest];
  }
  // A site has no process; what there is to read is its build.
  const own = known.length === 0 && revision === undefined ? trees.newestOf(stack) : null;
  yield* own === null ? newest : buildOf(own, lines);
  if (!follow) return;
  let source = known.at(-1)?.spec.source ?? own;
  while (!signal.aborted) {
    for (const { id, spec } of instances()) {
      const cursor = cursors.get(id) ?? new LogCursor(supervisor.logPath(id), { from: 0, clock });
      if (!cursors.has(id) && spec.source !== source) yield* buildOf(spec.source);
      if (!cursors.has(id)) source = spec.source;
      cursors.set(id, cursor);
      yield* cursor.read().filter(isWanted);
    }
    await clock.sleep(followPollMs, signal).catch(() => undefined);
  }
}

/** On one machine a log goes on over every start of its program, and there is one of each. */
function refuseForPods({ pod, previous = false }: Pick<LogRequest, "pod" | "previous">): void {
  if (pod === undefined && !previous) return;
  const asked = pod === undefined ? "an earlier start" : `pod ${JSON.stringify(pod)}`;
  throw new WaybillError(
    "REQUEST_INVALID",
    `${asked} is asked for, and this deployment runs on one machine: its log holds all starts, look there`,
  );
}
