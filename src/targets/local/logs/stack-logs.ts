import { statSync } from "node:fs";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import { wanted } from "../../log-filter.ts";
import type { LogRequest } from "../../target.ts";
import type { LogLine } from "../../workload.ts";
import type { InstanceRecord } from "../processes/instance.ts";
import type { Supervisor } from "../processes/supervisor.ts";
import type { Trees } from "../trees/trees.ts";
import { sizeOf } from "./log-file.ts";
import { LogCursor, merged, tail } from "./log-reader.ts";

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

/** The logs of a stack's revisions as one stream, oldest first: what the builds of their sources said, and what they did. */
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
  const logs: (readonly LogLine[])[] = [];
  // Not one that ended before what is shown began.
  const isNeeded = (path: string): boolean => {
    const first = merged(logs).at(-Math.max(1, lines));
    return first === undefined || modifiedAt(path) >= first.at;
  };
  for (const [index, { id, spec }] of [...known.entries()].reverse()) {
    const path = supervisor.logPath(id);
    cursors.set(id, new LogCursor(path, { from: sizeOf(path), clock }));
    if (isNeeded(path)) logs.unshift(tail(path, lines, isWanted));
    // Revisions that share a tree share its build, which came before the first of them.
    const isFirst = known[index - 1]?.spec.source !== spec.source;
    if (isFirst) logs.unshift(buildOf(spec.source, lines));
  }
  // A site has no process; what there is to read is its build.
  const own = known.length === 0 && revision === undefined ? trees.newestOf(stack) : null;
  yield* own !== null ? buildOf(own, lines) : lines === 0 ? [] : merged(logs).slice(-lines);
  if (!follow) return;
  let source = known.at(-1)?.spec.source ?? own;
  while (!signal.aborted) {
    const added: (readonly LogLine[])[] = [];
    for (const { id, spec } of instances()) {
      const cursor = cursors.get(id) ?? new LogCursor(supervisor.logPath(id), { from: 0, clock });
      if (!cursors.has(id) && spec.source !== source) added.push(buildOf(spec.source));
      if (!cursors.has(id)) source = spec.source;
      cursors.set(id, cursor);
      added.push(cursor.read().filter(isWanted));
    }
    yield* merged(added);
    await clock.sleep(followPollMs, signal).catch(() => undefined);
  }
}

const modifiedAt = (path: string): string => statSync(path, { throwIfNoEntry: false })?.mtime.toISOString() ?? "";

/** On one machine a log goes on over every start of its program, and there is one of each. */
function refuseForPods({ pod, previous = false }: Pick<LogRequest, "pod" | "previous">): void {
  if (pod === undefined && !previous) return;
  const asked = pod === undefined ? "an earlier start" : `pod ${JSON.stringify(pod)}`;
  throw new WaybillError(
    "REQUEST_INVALID",
    `${asked} is asked for, and this deployment runs on one machine: its log holds all starts, look there`,
  );
}
