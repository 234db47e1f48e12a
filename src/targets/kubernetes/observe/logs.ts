import { createInterface } from "node:readline";
import type { StackName } from "../../../core/stack.ts";
import { stackKey } from "../../../core/stack.ts";
import type { Log } from "../../../core/log.ts";
import { messageOf } from "../../../core/errors.ts";
import type { LogRequest } from "../../target.ts";
import type { LogLine } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { PodObject } from "./pods.ts";
import type { ClusterStatus } from "./status.ts";

interface Dependencies {
  readonly cluster: Pick<Cluster, "stream">;
  readonly status: Pick<ClusterStatus, "pods" | "onPods">;
  readonly log: Log;
}

interface Container {
  readonly pod: PodObject;
  readonly name: string;
  readonly restarts: number;
}

/** What a stack's pods say, also their containers that ended, as one stream. */
export async function* readLogs(
  parts: Dependencies,
  stack: StackName,
  { lines, follow, signal }: LogRequest,
): AsyncIterable<LogLine> {
  const { status } = parts;
  const known = containersOf(status.pods(stack));
  const tails = await Promise.all(known.map((container) => tailOf(parts, container, { lines, signal })));
  const newest = tails.flat().toSorted((a, b) => a.at.localeCompare(b.at));
  yield* lines === 0 ? [] : newest.slice(-lines);
  if (follow) yield* followed(parts, stack, { since: newest.at(-1)?.at ?? null, known, signal });
}

/** With what brings the source last, since it says something only when it fails. */
const containersOf = (pods: readonly PodObject[]): readonly Container[] =>
  pods.flatMap((pod) =>
    [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
      .filter(({ state, lastState }) => state?.waiting === undefined || lastState?.terminated !== undefined)
      .map(({ name, restartCount }) => ({ pod, name, restarts: restartCount })),
  );

interface Reading {
  readonly lines: number;
  readonly signal: AbortSignal;
}

async function tailOf(parts: Dependencies, container: Container, { lines, signal }: Reading): Promise<LogLine[]> {
  const query = { tailLines: String(lines) };
  const read = async (more: Record<string, string>): Promise<LogLine[]> => {
    const found: LogLine[] = [];
    for await (const line of linesOf(parts, container, { query: { ...query, ...more }, signal })) found.push(line);
    return found;
  };
  const before = container.restarts > 0 ? await read({ previous: "true" }) : [];
  return [...before, ...(await read({}))];
}

interface Following {
  readonly since: string | null;
  readonly known: readonly Container[];
  readonly signal: AbortSignal;
}

/** Each container is read as long as it runs; those that come are read from their beginning. */
async function* followed(
  parts: Dependencies,
  stack: StackName,
  { since, known, signal }: Following,
): AsyncGenerator<LogLine> {
  const { status, log } = parts;
  const buffer: LogLine[] = [];
  let wake = (): void => undefined;
  const seen = new Set<string>();
  const first = new Set(known.map(idOf));
  const begin = (container: Container): void => {
    const id = idOf(container);
    if (seen.has(id)) return;
    seen.add(id);
    const isKnown = first.has(id) && since !== null;
    const query = { follow: "true", ...(isKnown && { sinceTime: since }) };
    void (async () => {
      for await (const line of linesOf(parts, container, { query, signal })) {
        // `sinceTime` counts whole seconds: what was shown is told again.
        if (isKnown && line.at <= since) continue;
        buffer.push(line);
        wake();
      }
    })().catch((error: unknown) => log.debug({ error: messageOf(error) }, "a log could not be followed"));
  };
  const look = (): void => {
    for (const container of containersOf(status.pods(stack))) begin(container);
  };
  const stop = status.onPods((touched) => {
    if (stackKey(touched) === stackKey(stack)) look();
  });
  const wakeNow = (): void => wake();
  signal.addEventListener("abort", wakeNow);
  try {
    look();
    while (!signal.aborted) {
      const line = buffer.shift();
      if (line) yield line;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop();
    signal.removeEventListener("abort", wakeNow);
  }
}

/** One start of one container. */
const idOf = ({ pod, name, restarts }: Container): string => `${pod.metadata.uid} ${name} ${restarts}`;

interface Query {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

// What the kubelet puts before each line: RFC 3339 with nanoseconds.
const stamped = /^(\d{4}-\d\d-\d\dT[\d:]+)(\.\d+)?Z (.*)$/s;

async function* linesOf(
  { cluster }: Dependencies,
  { pod, name }: Container,
  { query, signal }: Query,
): AsyncGenerator<LogLine> {
  const { namespace = "", name: podName } = pod.metadata;
  const search = new URLSearchParams({ container: name, timestamps: "true", ...query });
  const path = `/api/v1/namespaces/${namespace}/pods/${podName}/log?${search.toString()}`;
  // A container that is gone, or has said nothing yet, has no lines.
  const response = await cluster.stream(path, signal).catch(() => null);
  if (response === null) return;
  try {
    for await (const text of createInterface({ input: response, crlfDelay: Infinity })) {
      const [, time, fraction = ".000", rest] = stamped.exec(text) ?? [];
      if (time === undefined || rest === undefined) continue;
      yield { at: `${time}${fraction.padEnd(10, "0")}Z`, stream: "stdout", text: rest };
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    response.destroy();
  }
}
